# FlashDNS: not there yet; what its unit will be.
import ./service.nix {
  name = "flashdns";
  title = "FlashDNS";
  summary = "names of the cluster";
  ports = {
    api = 8053;
    dns = 53;
  };
  udpPorts = [ "dns" ];
  capabilities = [ "CAP_NET_BIND_SERVICE" ];
}
