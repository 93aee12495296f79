# A rendered cluster: its flake is evaluated with an nixpkgs and a disko that are stubs, and every node of it must be a
# whole system of the reference.
{
  lib,
  pkgs,
  cluster,
}:
let
  flake = import (cluster + "/flake.nix");
  outputs = flake.outputs {
    self = { };
    disko.nixosModules.disko = { };
    nixpkgs.lib.nixosSystem =
      { modules }:
      lib.evalModules {
        modules = [ ./nixos.nix ] ++ modules;
        specialArgs = {
          inherit pkgs;
          modulesPath = toString ./nixpkgs;
        };
      };
  };
  systems = outputs.nixosConfigurations;
  each = make: builtins.mapAttrs (_: system: make system.config) systems;
in
{
  "the flake follows one nixpkgs" = {
    expr = flake.inputs.disko.inputs.nixpkgs.follows;
    expected = "nixpkgs";
  };
  "there are the three nodes" = {
    expr = builtins.attrNames systems;
    expected = [
      "node01"
      "node02"
      "node03"
    ];
  };
  "each has its name and its address" = {
    expr = each (config: {
      inherit (config.networking) hostName domain;
      inherit (config.systemd.network.networks."10-plasma") address gateway matchConfig;
    });
    expected = builtins.listToAttrs (
      map
        (number: {
          name = "node0${number}";
          value = {
            hostName = "node0${number}";
            domain = "plasma.local";
            address = [ "192.168.100.1${number}/24" ];
            gateway = [ "192.168.100.1" ];
            matchConfig.MACAddress = "52:54:00:00:01:0${number}";
          };
        })
        [
          "1"
          "2"
          "3"
        ]
    );
  };
  "each has an EFI system partition, a root, and data" = {
    expr = each (config: {
      disk = builtins.attrNames config.disko.devices.disk.vda.content.partitions;
      volumes = builtins.mapAttrs (_: volume: volume.content.mountpoint) config.disko.devices.lvm_vg.pool.lvs;
    });
    expected = builtins.mapAttrs (_: _: {
      disk = [
        "ESP"
        "lvm"
      ];
      volumes = {
        root = "/";
        data = "/var/lib";
      };
    }) systems;
  };
  "each runs the nine services, and those that there are, are started" = {
    expr = each (config: {
      started = builtins.filter (name: config.systemd.services.${name}.wantedBy or [ ] != [ ]) (
        builtins.attrNames config.systemd.services
      );
      services = builtins.length (builtins.attrNames config.users.groups);
    });
    expected = builtins.mapAttrs (_: _: {
      started = [
        "chainfire"
        "chainfire-cluster-join"
      ];
      # and first boot's
      services = 10;
    }) systems;
  };
  "each one's key stays where it was copied to" = {
    expr = builtins.mapAttrs (_: system: system.config.services.chainfire.tls.keyFile) systems;
    expected = builtins.mapAttrs (name: _: "/etc/nixos/secrets/${name}.key") systems;
  };
  "the flake has the installer that machines boot" = {
    expr = outputs.packages.x86_64-linux.netboot.name;
    expected = "plasma-netboot";
  };
  "no assertion fails" = {
    expr = each (config: builtins.filter (one: !one.assertion) config.assertions);
    expected = builtins.mapAttrs (_: _: [ ]) systems;
  };
}
