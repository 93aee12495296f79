# LightningStor: not there yet; what its unit will be.
import ./service.nix {
  name = "lightningstor";
  title = "LightningStor";
  summary = "stores objects, with S3's API";
  ports.api = 8085;
}
