/// What is in nix/, but its flake and tests, as the program carries it. Made by hack/nix-modules; not to be edited here.
package enum ModuleFiles {
    /// By paths below nix/, in their order.
    package static let all: [(path: String, text: String)] = [
        (
            path: "installer.nix",
            text: #"""
                # The installer that blank machines boot from the network: NixOS' own netboot image, which lets plasma in by its SSH key.
                #
                # The kernel's command line names the boot server (`plasma.server=http://…`) and the machine (`plasma.mac=…`). From the server come the
                # keys that may log in, and it is told when the machine can be reached. `system.build.plasmaNetBoot` is what a NetBoot of the manifest
                # names: kernel, initrd, their digests, and the command line.
                {
                  config,
                  lib,
                  modulesPath,
                  pkgs,
                  ...
                }:
                {
                  imports = [ "${modulesPath}/installer/netboot/netboot-minimal.nix" ];

                  # `plasma console` shows the one, a screen the other.
                  boot.kernelParams = [
                    "console=tty0"
                    "console=ttyS0,115200"
                  ];
                  # nixos-anywhere knows an installer by this, and does without kexec.
                  system.nixos.variant_id = lib.mkDefault "installer";

                  services.openssh.enable = true;
                  services.openssh.settings.PasswordAuthentication = lib.mkForce false;
                  services.openssh.authorizedKeysFiles = [ "/run/plasma-installer/authorized_keys" ];

                  systemd.services.plasma-installer = {
                    description = "Lets plasma in, and tells it so";
                    wantedBy = [ "multi-user.target" ];
                    wants = [ "network-online.target" ];
                    after = [
                      "network-online.target"
                      "sshd.service"
                    ];
                    path = [ pkgs.curl ];
                    # The server may be away for a while.
                    startLimitIntervalSec = 0;
                    serviceConfig = {
                      Type = "oneshot";
                      RemainAfterExit = true;
                      Restart = "on-failure";
                      RestartSec = 2;
                      RuntimeDirectory = "plasma-installer";
                    };
                    script = ''
                      server=
                      mac=
                      for word in $(cat /proc/cmdline); do
                        case $word in
                          plasma.server=*) server=''${word#*=} ;;
                          plasma.mac=*) mac=''${word#*=} ;;
                        esac
                      done
                      if [ -z "$server" ]; then
                        echo "the command line names no plasma.server: nobody is let in"
                        exit 0
                      fi
                      fetch() { curl --fail --silent --show-error --max-time 10 "$@"; }
                      fetch --output "$RUNTIME_DIRECTORY/new" "$server/authorized_keys"
                      mv "$RUNTIME_DIRECTORY/new" "$RUNTIME_DIRECTORY/authorized_keys"
                      [ -z "$mac" ] || fetch --output /dev/null "$server/progress?mac=$mac&phase=installer"
                    '';
                  };

                  system.build.plasmaNetBoot = pkgs.runCommand "plasma-netboot" { } ''
                    mkdir "$out"
                    cd "$out"
                    cp ${config.system.build.kernel}/${config.system.boot.loader.kernelFile} kernel
                    cp ${config.system.build.netbootRamdisk}/initrd initrd
                    echo ${
                      lib.escapeShellArg "init=${config.system.build.toplevel}/init ${toString config.boot.kernelParams}"
                    } >command-line
                    for file in kernel initrd; do sha256sum "$file" >"$file.sha256"; done
                  '';
                }

                """#
        ),
        (
            path: "modules/chainfire.nix",
            text: #"""
                # Chainfire: `plasma chainfire serve`.
                import ./service.nix {
                  name = "chainfire";
                  title = "Chainfire";
                  summary = "the cluster's replicated key-value store, with etcd's API";
                  ports = {
                    clients = 2379;
                    raft = 2380;
                    metrics = 2381;
                  };
                  clientAuthIsInFile = true;
                }

                """#
        ),
        (
            path: "modules/default.nix",
            text: #"""
                # The services of a plasma cluster, one module each, and what forms the cluster at the first boot.
                {
                  imports = [
                    ./plasma.nix
                    ./chainfire.nix
                    ./flaredb.nix
                    ./iam.nix
                    ./plasmavmc.nix
                    ./prismnet.nix
                    ./flashdns.nix
                    ./fiberlb.nix
                    ./lightningstor.nix
                    ./k8shost.nix
                    ./first-boot-automation.nix
                  ];
                }

                """#
        ),
        (
            path: "modules/fiberlb.nix",
            text: #"""
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

                """#
        ),
        (
            path: "modules/first-boot-automation.nix",
            text: #"""
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

                """#
        ),
        (
            path: "modules/flaredb.nix",
            text: #"""
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

                """#
        ),
        (
            path: "modules/flashdns.nix",
            text: #"""
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

                """#
        ),
        (
            path: "modules/iam.nix",
            text: #"""
                # IAM: not there yet; what its unit will be.
                import ./service.nix {
                  name = "iam";
                  title = "IAM";
                  summary = "who may do what in the cluster";
                  ports.api = 8080;
                }

                """#
        ),
        (
            path: "modules/k8shost.nix",
            text: #"""
                # K8sHost: not there yet; what its unit will be.
                import ./service.nix {
                  name = "k8shost";
                  title = "K8sHost";
                  summary = "Kubernetes clusters on the cluster's machines";
                  ports.api = 8086;
                }

                """#
        ),
        (
            path: "modules/lightningstor.nix",
            text: #"""
                # LightningStor: not there yet; what its unit will be.
                import ./service.nix {
                  name = "lightningstor";
                  title = "LightningStor";
                  summary = "stores objects, with S3's API";
                  ports.api = 8085;
                }

                """#
        ),
        (
            path: "modules/plasma.nix",
            text: #"""
                # What the modules have in common: the program.
                {
                  config,
                  lib,
                  pkgs,
                  ...
                }:
                {
                  options.services.plasma = {
                    package = lib.mkOption {
                      type = lib.types.package;
                      default = pkgs.callPackage ../package.nix { };
                      defaultText = lib.literalExpression "pkgs.callPackage ../package.nix { }";
                      description = ''
                        The package with the program `plasma`. Its `services` name the services that it can run; units of others are
                        defined, but not started.
                      '';
                    };

                    installProgram = lib.mkOption {
                      type = lib.types.bool;
                      default = true;
                      description = "Whether `plasma` is on the path of those who log in, once one of its services is enabled.";
                    };
                  };

                  config = lib.mkIf (config.services.plasma.installProgram && config.services.chainfire.enable) {
                    environment.systemPackages = [ config.services.plasma.package ];
                  };
                }

                """#
        ),
        (
            path: "modules/plasmavmc.nix",
            text: #"""
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

                """#
        ),
        (
            path: "modules/prismnet.nix",
            text: #"""
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

                """#
        ),
        (
            path: "modules/service.nix",
            text: #"""
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

                """#
        ),
        (
            path: "package.nix",
            text: #"""
                # The program as a package, made from a binary that was built before: nixpkgs' own Swift is older than the one that
                # plasma needs (6.2). Build it with hack/release, of plasma's repository, and lay it at nix/bin/plasma, or give its path as
                # `binary`. One that was built otherwise may be linked with more; Swift's own libraries it must have in it.
                {
                  lib,
                  stdenv,
                  autoPatchelfHook,
                  libyaml,
                  sqlite,
                  zlib,
                  binary ? ./bin/plasma,
                }:

                stdenv.mkDerivation {
                  pname = "plasma";
                  version = "0.1.0";

                  src =
                    if builtins.pathExists binary then
                      binary
                    else
                      throw "plasma's package is made from a built binary, and there is none at ${toString binary}; lay it there, or set services.plasma.package";
                  dontUnpack = true;

                  nativeBuildInputs = [ autoPatchelfHook ];
                  buildInputs = [
                    libyaml
                    sqlite
                    stdenv.cc.cc.lib
                    zlib
                  ];

                  installPhase = ''
                    runHook preInstall
                    install -D -m 0755 "$src" "$out/bin/plasma"
                    runHook postInstall
                  '';

                  # The services that this version can run; the others' modules are there, their programs are not yet.
                  passthru.services = [ "chainfire" ];

                  meta = {
                    description = "Clusters of NixOS machines, as a manifest says";
                    license = lib.licenses.asl20;
                    mainProgram = "plasma";
                    platforms = [
                      "x86_64-linux"
                      "aarch64-linux"
                    ];
                    sourceProvenance = [ lib.sourceTypes.binaryNativeCode ];
                  };
                }

                """#
        ),
    ]
}
