# Brings the services of a new node into their clusters: one oneshot for each, which waits for the service, forms its
# cluster with the other initial peers or waits until it was taken in, and then leaves a marker.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;

  cfg = config.services.first-boot-automation;
  user = "first-boot";
  state = "/var/lib/first-boot-automation";

  unit =
    name:
    let
      service = config.services.${name};
      isThere = builtins.elem name (service.package.services or [ ]);
      credentials = lib.listToAttrs (
        map (file: lib.nameValuePair (baseNameOf file) file) (
          [ cfg.configFile ]
          ++ lib.optional (service.joinTokenFile != null) service.joinTokenFile
          ++ lib.optionals service.tls.enable [
            service.tls.caFile
            service.tls.certificateFile
            service.tls.keyFile
          ]
          ++ lib.optional (service.tls.enable && service.tls.crlFile != null) service.tls.crlFile
        )
      );
    in
    lib.nameValuePair "${name}-cluster-join" {
      description = "Brings ${name} into its cluster";
      wantedBy = lib.optional isThere "multi-user.target";
      # Not required: when it does not come up, somebody has to say so.
      wants = [
        "network-online.target"
        "${name}.service"
      ];
      after = [
        "network-online.target"
        "${name}.service"
      ]
      ++ map (other: "${other}-cluster-join.service") (
        builtins.filter (other: builtins.elem other cfg.services) service.dependsOn
      );

      unitConfig = {
        ConditionPathExists = cfg.configFile;
        StartLimitIntervalSec = "1h";
        StartLimitBurst = cfg.attempts;
      };

      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = lib.escapeShellArgs [
          "${service.package}/bin/plasma"
          "first-boot"
          name
          "--config"
          "/run/credentials/${name}-cluster-join.service/${baseNameOf cfg.configFile}"
          "--state-dir"
          state
          "--timeout"
          "${toString cfg.timeout}s"
        ];
        # It bounds itself; this is for when it cannot.
        TimeoutStartSec = cfg.timeout + 60;
        Restart = "on-failure";
        RestartSec = 10;

        # systemd reads the files as root, and shows them to this unit alone.
        LoadCredential = lib.mapAttrsToList (id: file: "${id}:${file}") credentials;

        User = user;
        Group = user;
        StateDirectory = "first-boot-automation";
        StateDirectoryMode = "0755";
        UMask = "0022";

        CapabilityBoundingSet = "";
        NoNewPrivileges = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectSystem = "strict";
        ProtectHome = true;
        ProtectProc = "invisible";
        ProtectClock = true;
        ProtectHostname = true;
        ProtectControlGroups = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_UNIX"
        ];
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
in
{
  options.services.first-boot-automation = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether the services of this node are brought into their clusters by themselves: units
        `<service>-cluster-join.service`, whose steps stand in ${state}/<service>.json, and whose markers
        (`.<service>-initialized`, `.<service>-joined`) tell that it is done.
      '';
    };

    configFile = mkOption {
      type = types.addCheck types.str (path: lib.hasPrefix "/" path && !(lib.hasPrefix builtins.storeDir path));
      default = "/etc/nixos/secrets/cluster-config.json";
      description = "The description of the node and its cluster, as `plasma render` writes it.";
    };

    services = mkOption {
      type = types.listOf (
        types.enum [
          "chainfire"
          "flaredb"
        ]
      );
      default = [ "chainfire" ];
      description = ''
        Services that are brought into a cluster. FlareDB is **not there yet** in this version: its unit is defined and
        not started.
      '';
    };

    timeout = mkOption {
      type = types.ints.positive;
      default = 600;
      description = "How long one attempt waits, in seconds.";
    };

    attempts = mkOption {
      type = types.ints.positive;
      default = 5;
      description = "How many attempts there are in an hour; after them, `systemctl restart` begins anew.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = map (name: {
      assertion = config.services.${name}.enable;
      message = "services.first-boot-automation brings ${name} into its cluster, but services.${name}.enable is false; enable it, or leave it out of services.first-boot-automation.services.";
    }) cfg.services;

    users.users.${user} = {
      isSystemUser = true;
      group = user;
      description = "First boot of plasma's services";
    };
    users.groups.${user} = { };

    systemd.services = lib.listToAttrs (map unit cfg.services);
  };
}
