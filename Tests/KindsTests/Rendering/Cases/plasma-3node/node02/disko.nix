# The disks of node02, in disko's words, as plasma rendered them; do not edit.
{
  disko.devices = {
    disk.vda = {
      content = {
        partitions = {
          ESP = {
            content = {
              format = "vfat";
              mountOptions = [ "umask=0077" ];
              mountpoint = "/boot";
              type = "filesystem";
            };
            priority = 1;
            size = "500000K";
            type = "EF00";
          };
          lvm = {
            content = {
              type = "lvm_pv";
              vg = "pool";
            };
            priority = 2;
            size = "100%";
            type = "8E00";
          };
        };
        type = "gpt";
      };
      device = "/dev/vda";
      type = "disk";
    };
    lvm_vg.pool = {
      lvs = {
        data = {
          content = {
            format = "ext4";
            mountpoint = "/var/lib";
            type = "filesystem";
          };
          priority = 2;
          size = "100%FREE";
        };
        root = {
          content = {
            format = "ext4";
            mountpoint = "/";
            type = "filesystem";
          };
          priority = 1;
          size = "78125000K";
        };
      };
      type = "lvm_vg";
    };
  };
}
