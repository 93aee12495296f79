# Node node01 of the cluster plasma, as plasma rendered it; do not edit.
{
  boot = {
    initrd.availableKernelModules = [
      "ahci"
      "nvme"
      "sd_mod"
      "usb_storage"
      "xhci_pci"
      "virtio_blk"
      "virtio_net"
      "virtio_pci"
      "virtio_scsi"
    ];
    kernelParams = [ "console=tty0" "console=ttyS0,115200" ];
    loader = {
      efi.canTouchEfiVariables = false;
      systemd-boot.enable = true;
    };
  };
  networking = {
    domain = "plasma.local";
    firewall.enable = true;
    hostName = "node01";
    hosts = {
      "192.168.100.11" = [ "node01.plasma.local" "node01" ];
      "192.168.100.12" = [ "node02.plasma.local" "node02" ];
      "192.168.100.13" = [ "node03.plasma.local" "node03" ];
    };
    useDHCP = false;
    useNetworkd = true;
  };
  nixpkgs.hostPlatform = "x86_64-linux";
  services = {
    chainfire = {
      configFile = "/etc/nixos/secrets/cluster-config.json";
      enable = true;
      openFirewall = true;
      ports = {
        clients = 2379;
        metrics = 2381;
        raft = 2380;
      };
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    fiberlb = {
      clientAuth = "optional";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" "prismnet" ];
      enable = true;
      openFirewall = true;
      ports.api = 8084;
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    first-boot-automation = {
      configFile = "/etc/nixos/secrets/cluster-config.json";
      enable = true;
      services = [ "chainfire" "flaredb" ];
    };
    flaredb = {
      clientAuth = "required";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" ];
      enable = true;
      openFirewall = true;
      ports = {
        clients = 2479;
        raft = 2480;
      };
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    flashdns = {
      clientAuth = "optional";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" ];
      enable = true;
      openFirewall = true;
      ports.api = 8053;
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    iam = {
      clientAuth = "optional";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" "flaredb" ];
      enable = true;
      openFirewall = true;
      ports.api = 8080;
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    k8shost = {
      clientAuth = "optional";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" "iam" "plasmavmc" "prismnet" ];
      enable = true;
      openFirewall = true;
      ports.api = 8086;
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    lightningstor = {
      clientAuth = "optional";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" "flaredb" "iam" ];
      enable = true;
      openFirewall = true;
      ports.api = 8085;
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    openssh = {
      enable = true;
      settings = {
        KbdInteractiveAuthentication = false;
        PasswordAuthentication = false;
        PermitRootLogin = "prohibit-password";
      };
    };
    plasmavmc = {
      clientAuth = "optional";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" "iam" "prismnet" ];
      enable = true;
      openFirewall = true;
      ports.api = 8081;
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
    prismnet = {
      clientAuth = "optional";
      configFile = "/etc/nixos/secrets/cluster-config.json";
      dependsOn = [ "chainfire" "iam" ];
      enable = true;
      openFirewall = true;
      ports.api = 8082;
      tls = {
        caFile = "/etc/nixos/secrets/ca.crt";
        certificateFile = "/etc/nixos/secrets/node01.crt";
        enable = true;
        keyFile = "/etc/nixos/secrets/node01.key";
      };
    };
  };
  system.stateVersion = "26.05";
  systemd.network = {
    enable = true;
    networks."10-plasma" = {
      address = [ "192.168.100.11/24" ];
      dns = [ "192.168.100.1" ];
      domains = [ "plasma.local" ];
      gateway = [ "192.168.100.1" ];
      linkConfig.RequiredForOnline = "routable";
      matchConfig.MACAddress = "52:54:00:00:01:01";
      networkConfig.IPv6AcceptRA = false;
    };
  };
  users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfTheTests plasma" ];
}
