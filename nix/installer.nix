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
