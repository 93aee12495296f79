# The options of NixOS that the modules and the rendered systems set, with none of what NixOS does with them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  anything = option (types.attrsOf types.anything) { };
  flag = option types.bool false;
  ports = option (types.listOf types.port) [ ];
in
{
  options = {
    assertions = option (types.listOf types.anything) [ ];
    warnings = option (types.listOf types.str) [ ];
    boot = anything;
    disko.devices = anything;
    environment.systemPackages = option (types.listOf types.package) [ ];
    hardware.enableRedistributableFirmware = flag;
    networking = {
      hostName = option types.str "nixos";
      domain = option (types.nullOr types.str) null;
      hostId = option (types.nullOr types.str) null;
      hosts = option (types.attrsOf (types.listOf types.str)) { };
      useDHCP = option types.bool true;
      useNetworkd = flag;
      firewall = {
        enable = option types.bool true;
        allowedTCPPorts = ports;
        allowedUDPPorts = ports;
      };
    };
    nixpkgs.hostPlatform = option types.str "";
    services.openssh = {
      enable = flag;
      authorizedKeysFiles = option (types.listOf types.str) [ ];
      settings = anything;
    };
    system = {
      boot = anything;
      build = anything;
      nixos = anything;
      stateVersion = mkOption { type = types.str; };
    };
    systemd = {
      network = {
        enable = flag;
        networks = anything;
      };
      paths = anything;
      services = anything;
    };
    users = {
      groups = anything;
      users = anything;
    };
  };
}
