# PlasmaVMC: not there yet; what its unit will be.
import ./service.nix {
  name = "plasmavmc";
  title = "PlasmaVMC";
  summary = "runs virtual machines on this node";
  ports.api = 8081;
  devices = [
    "/dev/kvm"
    "/dev/net/tun"
    "/dev/vhost-net"
  ];
  capabilities = [ "CAP_NET_ADMIN" ];
  families = [ "AF_NETLINK" ];
  runsMachines = true;
  paths = pkgs: [
    pkgs.qemu_kvm
    pkgs.iproute2
  ];
}
