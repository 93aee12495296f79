# IAM: not there yet; what its unit will be.
import ./service.nix {
  name = "iam";
  title = "IAM";
  summary = "who may do what in the cluster";
  ports.api = 8080;
}
