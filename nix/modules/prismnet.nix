# PrismNET: not there yet; what its unit will be.
import ./service.nix {
  name = "prismnet";
  title = "PrismNET";
  summary = "networks of the cluster's machines";
  ports.api = 8082;
  devices = [ "/dev/net/tun" ];
  capabilities = [
    "CAP_NET_ADMIN"
    "CAP_NET_RAW"
  ];
  families = [
    "AF_NETLINK"
    "AF_PACKET"
  ];
  paths = pkgs: [
    pkgs.iproute2
    pkgs.nftables
  ];
}
