# FiberLB: not there yet; what its unit will be.
import ./service.nix {
  name = "fiberlb";
  title = "FiberLB";
  summary = "spreads connections over the cluster's machines";
  ports.api = 8084;
  capabilities = [
    "CAP_NET_ADMIN"
    "CAP_NET_BIND_SERVICE"
  ];
  families = [ "AF_NETLINK" ];
  paths = pkgs: [ pkgs.iproute2 ];
}
