# Makes the module of one service: its options and its unit.
#
#   name          of the service, its unit, its user and `plasma <name> serve`
#   title         how people call it
#   summary       what it is, one line
#   ports         its ports by name, as they are unless told otherwise
#   udpPorts      the names of those that are UDP as well
#   capabilities  what it may do beyond its own files
#   devices       device nodes it opens
#   families      kinds of sockets besides IPv4, IPv6 and Unix
#   runsMachines  whether it makes code at run time: QEMU without KVM does
#   paths         programs that it calls, of pkgs
#   clientAuthIsInFile  whether cluster-config.json says what clients show
{
  name,
  title,
  summary,
  ports,
  udpPorts ? [ ],
  capabilities ? [ ],
  devices ? [ ],
  families ? [ ],
  runsMachines ? false,
  paths ? (pkgs: [ ]),
  clientAuthIsInFile ? false,
}:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  cfg = config.services.${name};
  isThere = builtins.elem name (cfg.package.services or [ ]);
  notYet = lib.optionalString (!clientAuthIsInFile) ''

    **Not there yet:** this version of plasma has no program for ${title}. The unit is what it will be; it is not
    started, and a warning says so, until the package of plasma names `${name}` among its `services`.
  '';

  # A secret that became part of a store path could be read by everybody.
  secretPath = types.addCheck types.str (
    path: lib.hasPrefix "/" path && !(lib.hasPrefix builtins.storeDir path)
  );

  runtime = "/run/${name}";
  secrets =
    lib.optionals cfg.tls.enable [
      cfg.tls.keyFile
      cfg.tls.certificateFile
      cfg.tls.caFile
    ]
    ++ lib.optional (cfg.tls.enable && cfg.tls.crlFile != null) cfg.tls.crlFile
    ++ lib.optional (cfg.joinTokenFile != null) cfg.joinTokenFile;

  # The files stay root's. The service gets copies in a directory of its own, at each start and at each reload, whole
  # or not at all: it reads certificates anew by itself, so that a renewal interrupts nobody. Its description it reads once:
  # that copy stays as it was at the start, so that plasma sees what the service goes by.
  copy =
    what: files:
    pkgs.writeShellScript "${name}-${what}" ''
      set -eu
      umask 077
      cd "$RUNTIME_DIRECTORY"
      for file in ${lib.escapeShellArgs files}; do
        ${pkgs.coreutils}/bin/install -m 0400 -o ${name} -g ${name} "$file" .new
        ${pkgs.coreutils}/bin/mv -f .new "''${file##*/}"
      done
    '';

  tcpPorts = lib.attrValues cfg.ports;
in
{
  options.services.${name} = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether ${title} runs on this machine: ${summary}." + notYet;
    };

    package = mkOption {
      type = types.package;
      default = config.services.plasma.package;
      defaultText = lib.literalExpression "config.services.plasma.package";
      description = "The package whose `plasma ${name} serve` is run.";
    };

    configFile = mkOption {
      type = secretPath;
      default = "/etc/nixos/secrets/cluster-config.json";
      description = ''
        The description of the node and its cluster, as `plasma render` writes it. Relative paths in it start from its
        directory, and it is read from a copy: name every file that it names in the options here.
      '';
    };

    joinTokenFile = mkOption {
      type = types.nullOr secretPath;
      default = "/etc/nixos/secrets/join.token";
      description = "File with the secret by which members join: the same on all nodes. 64 hexadecimal digits are taken as random. null: there is none.";
    };

    tls = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether ${title} speaks TLS, with these files.";
      };

      caFile = mkOption {
        type = secretPath;
        default = "/etc/nixos/secrets/ca.crt";
        description = "The authorities whose certificates are trusted, PEM.";
      };

      crlFile = mkOption {
        type = types.nullOr secretPath;
        default = null;
        example = "/etc/nixos/secrets/crl.pem";
        description = "Their revocation lists, PEM, where `configFile` names them. null: there are none.";
      };

      certificateFile = mkOption {
        type = secretPath;
        default = "/etc/nixos/secrets/${config.networking.hostName}.crt";
        defaultText = lib.literalExpression ''"/etc/nixos/secrets/''${config.networking.hostName}.crt"'';
        description = "The node's certificate with its chain, PEM.";
      };

      keyFile = mkOption {
        type = secretPath;
        default = "/etc/nixos/secrets/${config.networking.hostName}.key";
        defaultText = lib.literalExpression ''"/etc/nixos/secrets/''${config.networking.hostName}.key"'';
        description = "Its private key, PEM. It stays out of the store, and is never readable by others.";
      };
    };

    ports = mkOption {
      type = types.attrsOf types.port;
      default = ports;
      description = "Its ports by name, which `openFirewall` opens. Where it listens, `configFile` says.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether its ports are open in the firewall.";
    };

    dependsOn = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "chainfire" ];
      description = "Services of this machine that are started before it.";
    };

    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Further arguments of `plasma ${name} serve`.";
    };
  }
  // lib.optionalAttrs (!clientAuthIsInFile) {
    clientAuth = mkOption {
      type = types.enum [
        "none"
        "optional"
        "required"
      ];
      default = "optional";
      description = "Whether clients show a certificate of `tls.caFile`.";
    };
  };

  config = lib.mkIf cfg.enable {
    warnings = lib.optional (!isThere)
      "services.${name} is enabled, but ${cfg.package.name or "the package of plasma"} has no ${title} yet: its unit is defined and not started.";

    users.users.${name} = {
      isSystemUser = true;
      group = name;
      description = title;
    };
    users.groups.${name} = { };

    networking.firewall = lib.mkIf cfg.openFirewall {
      allowedTCPPorts = tcpPorts;
      allowedUDPPorts = lib.attrValues (lib.filterAttrs (port: _: builtins.elem port udpPorts) cfg.ports);
    };

    systemd.services.${name} = {
      description = "${title}: ${summary}";
      wantedBy = lib.optional isThere "multi-user.target";
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ] ++ map (other: "${other}.service") cfg.dependsOn;
      path = paths pkgs;

      unitConfig = {
        # Without its description the node does not know who it is: it waits instead of failing over and over.
        ConditionPathExists = cfg.configFile;
        StartLimitIntervalSec = 60;
        StartLimitBurst = 10;
      };

      serviceConfig = {
        # It says itself when it serves; how long it may read what it holds, nobody knows.
        Type = "notify";
        TimeoutStartSec = "infinity";
        ExecStartPre = "+${copy "secrets" (secrets ++ [ cfg.configFile ])}";
        ExecStart = lib.escapeShellArgs (
          [
            "${cfg.package}/bin/plasma"
            name
            "serve"
            "--config"
            "${runtime}/${baseNameOf cfg.configFile}"
            "--data-dir"
            "/var/lib/${name}"
          ]
          ++ lib.optionals (!clientAuthIsInFile) [
            "--client-auth"
            cfg.clientAuth
          ]
          ++ cfg.extraArgs
        );
        ExecReload = "+${copy "renewal" secrets}";
        Restart = "on-failure";
        RestartSec = 1;
        TimeoutStopSec = 30;

        User = name;
        Group = name;
        StateDirectory = name;
        StateDirectoryMode = "0700";
        RuntimeDirectory = name;
        RuntimeDirectoryMode = "0700";
        UMask = "0077";
        LimitNOFILE = 65536;

        AmbientCapabilities = capabilities;
        CapabilityBoundingSet = if capabilities == [ ] then "" else capabilities;
        NoNewPrivileges = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = !runsMachines;
        PrivateTmp = true;
        PrivateDevices = devices == [ ];
        DevicePolicy = "closed";
        DeviceAllow = map (device: "${device} rw") devices;
        ProtectSystem = "strict";
        ProtectHome = true;
        ProtectProc = "invisible";
        ProtectClock = true;
        ProtectHostname = true;
        ProtectControlGroups = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        RemoveIPC = true;
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_UNIX"
        ]
        ++ families;
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallErrorNumber = "EPERM";
        SystemCallFilter = [
          "@system-service"
          "~@privileged"
          "~@resources"
          # Threads that let others go first.
          "setpriority"
        ];
      };
    };

    # A renewed certificate reaches the service by itself.
    systemd.paths."${name}-certificate" = lib.mkIf (cfg.tls.enable && isThere) {
      description = "Watches the certificate of ${title}";
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathChanged = [
        cfg.tls.certificateFile
        cfg.tls.keyFile
        cfg.tls.caFile
      ]
      ++ lib.optional (cfg.tls.crlFile != null) cfg.tls.crlFile;
    };
    systemd.services."${name}-certificate" = lib.mkIf (cfg.tls.enable && isThere) {
      description = "Gives ${title} its renewed certificate";
      # One that is still starting is not reloaded: it may have read the old one.
      after = [ "${name}.service" ];
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${pkgs.systemd}/bin/systemctl --no-block try-reload-or-restart ${name}.service";
      };
    };
  };
}
