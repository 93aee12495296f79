# What NixOS' netboot image is for `nix/installer.nix`: names of what it builds.
{
  system.boot.loader.kernelFile = "bzImage";
  system.build = {
    kernel = "/nix/store/00000000000000000000000000000000-linux";
    netbootRamdisk = "/nix/store/00000000000000000000000000000000-ramdisk";
    toplevel = "/nix/store/00000000000000000000000000000000-nixos-system-installer";
  };
}
