# FlareDB: not there yet; what its unit will be.
import ./service.nix {
  name = "flaredb";
  title = "FlareDB";
  summary = "the cluster's database";
  ports = {
    clients = 2479;
    raft = 2480;
  };
}
