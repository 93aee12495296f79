# What the modules do, evaluated: `nix-instantiate --eval --strict --json nix/tests --arg cluster null` gives the failures, an empty list
# when there are none.
#
#   lib      another than the one here: nixpkgs' own, where it is at hand
#   cluster  a directory that `plasma render` wrote; its flake is evaluated too
{
  lib ? import ./lib.nix,
  cluster ? null,
}:
let
  pkgs = import ./pkgs.nix;
  system =
    modules:
    lib.evalModules {
      modules = [
        ./nixos.nix
        ../modules
        { system.stateVersion = "26.05"; }
      ]
      ++ modules;
      specialArgs = { inherit pkgs; };
    };
  configured = module: (system [ module ]).config;
  refuses = expression: !(builtins.tryEval (builtins.deepSeq expression true)).success;

  names = [
    "chainfire"
    "flaredb"
    "iam"
    "plasmavmc"
    "prismnet"
    "flashdns"
    "fiberlb"
    "lightningstor"
    "k8shost"
  ];
  everything = configured {
    services = lib.genAttrs names (_: {
      enable = true;
      openFirewall = true;
      tls.enable = true;
    }) // {
      first-boot-automation = {
        enable = true;
        services = [
          "chainfire"
          "flaredb"
        ];
      };
    };
    networking.hostName = "node01";
  };
  chainfire = everything.systemd.services.chainfire;
  join = everything.systemd.services.chainfire-cluster-join;

  # Every option below `services` of the modules here, with its name.
  optionsOf =
    path: set:
    if set._type or "" == "option" then
      [
        {
          name = builtins.concatStringsSep "." path;
          option = set;
        }
      ]
    else
      builtins.concatLists (lib.mapAttrsToList (name: optionsOf (path ++ [ name ])) set);
  ours =
    let
      all = (system [ ]).options.services;
    in
    builtins.concatMap (name: optionsOf [ name ] all.${name}) (
      names
      ++ [
        "plasma"
        "first-boot-automation"
      ]
    );

  sameOnAll =
    unit:
    let
      config = unit.serviceConfig;
    in
    [
      config.NoNewPrivileges
      config.ProtectSystem
      config.ProtectHome
      config.PrivateTmp
      config.RestrictNamespaces
      config.SystemCallArchitectures
      (config.User != "root")
    ];
  hardened = [
    true
    "strict"
    true
    true
    true
    "native"
    true
  ];

  cases = {
    "nothing is enabled by itself" = {
      expr = {
        services = (configured { }).systemd.services;
        users = (configured { }).users.users;
        ports = (configured { }).networking.firewall.allowedTCPPorts;
      };
      expected = {
        services = { };
        users = { };
        ports = [ ];
      };
    };
    "every option has a type and a description" = {
      expr = map (one: one.name) (
        builtins.filter (one: !(one.option ? type && builtins.isString one.option.description or null)) ours
      );
      expected = [ ];
    };
    "all options are there" = {
      expr = builtins.length ours > 100;
      expected = true;
    };
    "chainfire serves from the copies of its secrets" = {
      expr = chainfire.serviceConfig.ExecStart;
      expected = "${everything.services.plasma.package}/bin/plasma chainfire serve --config /run/chainfire/cluster-config.json --data-dir /var/lib/chainfire";
    };
    "chainfire is started with the machine, once the network is there" = {
      expr = {
        inherit (chainfire) wantedBy after;
      };
      expected = {
        wantedBy = [ "multi-user.target" ];
        after = [ "network-online.target" ];
      };
    };
    "chainfire needs no capability and no device" = {
      expr = {
        inherit (chainfire.serviceConfig) CapabilityBoundingSet PrivateDevices DeviceAllow;
      };
      expected = {
        CapabilityBoundingSet = "";
        PrivateDevices = true;
        DeviceAllow = [ ];
      };
    };
    "a renewed certificate is handed on" = {
      expr = {
        watched = everything.systemd.paths.chainfire-certificate.pathConfig.PathChanged;
        runs = everything.systemd.services.chainfire-certificate.serviceConfig.ExecStart;
        inherit (everything.systemd.services.chainfire-certificate) after;
      };
      expected = {
        watched = [
          "/etc/nixos/secrets/node01.crt"
          "/etc/nixos/secrets/node01.key"
          "/etc/nixos/secrets/ca.crt"
        ];
        runs = "${pkgs.systemd}/bin/systemctl --no-block try-reload-or-restart chainfire.service";
        after = [ "chainfire.service" ];
      };
    };
    "revocation lists come with the other files, where there are any" = {
      expr =
        let
          config = configured {
            networking.hostName = "node01";
            services.chainfire.enable = true;
            services.chainfire.tls.enable = true;
            services.chainfire.tls.crlFile = "/etc/nixos/secrets/crl.pem";
            services.first-boot-automation.enable = true;
          };
          credentials = config.systemd.services.chainfire-cluster-join.serviceConfig.LoadCredential;
          isList = file: lib.hasPrefix "crl.pem:" file;
        in
        {
          watched = builtins.elem "/etc/nixos/secrets/crl.pem" config.systemd.paths.chainfire-certificate.pathConfig.PathChanged;
          credentials = builtins.filter isList credentials;
          usually = builtins.filter isList join.serviceConfig.LoadCredential;
        };
      expected = {
        watched = true;
        credentials = [ "crl.pem:/etc/nixos/secrets/crl.pem" ];
        usually = [ ];
      };
    };
    "a reload brings certificates, and leaves the description that chainfire was started with" = {
      expr =
        let
          unit =
            (lib.evalModules {
              modules = [
                ./nixos.nix
                ../modules
                {
                  system.stateVersion = "26.05";
                  services.chainfire.enable = true;
                  services.chainfire.tls.enable = true;
                }
              ];
              specialArgs.pkgs = pkgs // {
                writeShellScript = _: text: text;
              };
            }).config.systemd.services.chainfire.serviceConfig;
          has = file: script: builtins.length (builtins.split file script) > 1;
        in
        {
          starts = has "cluster-config.json" unit.ExecStartPre;
          renews = has "ca.crt" unit.ExecReload;
          changes = has "cluster-config.json" unit.ExecReload;
        };
      expected = {
        starts = true;
        renews = true;
        changes = false;
      };
    };
    "without TLS nothing is watched" = {
      expr = (configured { services.chainfire.enable = true; }).systemd.paths;
      expected = { };
    };
    "all units are hardened alike" = {
      expr = map (name: sameOnAll everything.systemd.services.${name}) (
        names
        ++ [
          "chainfire-cluster-join"
          "flaredb-cluster-join"
        ]
      );
      expected = map (_: hardened) (builtins.genList (n: n) 11);
    };
    "a service that is not there yet is defined, not started, and told of" = {
      expr = {
        inherit (everything.systemd.services.flaredb) wantedBy;
        join = everything.systemd.services.flaredb-cluster-join.wantedBy;
        warnings = builtins.length everything.warnings;
      };
      expected = {
        wantedBy = [ ];
        join = [ ];
        warnings = 8;
      };
    };
    "a package that has it starts it" = {
      expr =
        let
          config = configured (
            { pkgs, ... }:
            {
              services.flaredb.enable = true;
              services.flaredb.package = pkgs.systemd // {
                services = [ "flaredb" ];
              };
            }
          );
        in
        {
          inherit (config.systemd.services.flaredb) wantedBy;
          inherit (config) warnings;
        };
      expected = {
        wantedBy = [ "multi-user.target" ];
        warnings = [ ];
      };
    };
    "the firewall is opened when told, for names by UDP as well" = {
      expr = {
        tcp = builtins.sort builtins.lessThan everything.networking.firewall.allowedTCPPorts;
        udp = everything.networking.firewall.allowedUDPPorts;
      };
      expected = {
        tcp = [
          53
          2379
          2380
          2381
          2479
          2480
          8053
          8080
          8081
          8082
          8084
          8085
          8086
        ];
        udp = [ 53 ];
      };
    };
    "a closed firewall stays closed" = {
      expr = (configured { services.chainfire.enable = true; }).networking.firewall.allowedTCPPorts;
      expected = [ ];
    };
    "first boot runs once after its service, with the credentials it needs" = {
      expr = {
        inherit (join) after wants wantedBy;
        inherit (join.serviceConfig) Type RemainAfterExit ExecStart LoadCredential;
      };
      expected = {
        after = [
          "network-online.target"
          "chainfire.service"
        ];
        wants = [
          "network-online.target"
          "chainfire.service"
        ];
        wantedBy = [ "multi-user.target" ];
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${everything.services.plasma.package}/bin/plasma first-boot chainfire --config /run/credentials/chainfire-cluster-join.service/cluster-config.json --state-dir /var/lib/first-boot-automation --timeout 600s";
        LoadCredential = [
          "ca.crt:/etc/nixos/secrets/ca.crt"
          "cluster-config.json:/etc/nixos/secrets/cluster-config.json"
          "join.token:/etc/nixos/secrets/join.token"
          "node01.crt:/etc/nixos/secrets/node01.crt"
          "node01.key:/etc/nixos/secrets/node01.key"
        ];
      };
    };
    "first boot without its service is refused in words" = {
      expr = map (one: one.assertion) (configured { services.first-boot-automation.enable = true; }).assertions;
      expected = [ false ];
    };
    "with its service it is not" = {
      expr = map (one: one.assertion) everything.assertions;
      expected = [
        true
        true
      ];
    };
    "a secret in the store is refused" = {
      expr =
        refuses
          (configured {
            services.chainfire.enable = true;
            services.chainfire.tls.keyFile = "${builtins.storeDir}/00000000000000000000000000000000-key";
          }).services.chainfire.tls.keyFile;
      expected = true;
    };
    "a secret that is no absolute path is refused" = {
      expr = refuses (configured { services.chainfire.tls.keyFile = "node01.key"; }).services.chainfire.tls.keyFile;
      expected = true;
    };
    "a port that is none is refused" = {
      expr = refuses (configured { services.chainfire.ports.raft = 99999; }).services.chainfire.ports;
      expected = true;
    };
    "an option that does not exist is refused" = {
      expr = refuses (configured { services.chainfire.enabled = true; }).services;
      expected = true;
    };
    "a service of another name cannot be brought into a cluster" = {
      expr = refuses (configured { services.first-boot-automation.services = [ "iam" ]; }).services.first-boot-automation.services;
      expected = true;
    };
    "the package says what is missing when there is no binary" = {
      expr = refuses (pkgs.callPackage ../package.nix { binary = ./there-is-none; }).src;
      expected = true;
    };
  }
  // lib.optionalAttrs (cluster != null) (import ./cluster.nix { inherit lib pkgs cluster; });
in
builtins.concatLists (
  lib.mapAttrsToList (
    name: case:
    let
      found = builtins.tryEval (builtins.deepSeq case.expr case.expr);
    in
    if !found.success then
      [ "${name}: it throws" ]
    else if found.value != case.expected then
      [ "${name}: ${builtins.toJSON found.value} instead of ${builtins.toJSON case.expected}" ]
    else
      [ ]
  ) cases
)
