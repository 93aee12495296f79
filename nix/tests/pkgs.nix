# Packages that are only names.
let
  named = name: {
    inherit name;
    outPath = "/nix/store/00000000000000000000000000000000-${name}";
    type = "derivation";
  };
in
{
  coreutils = named "coreutils";
  curl = named "curl";
  iproute2 = named "iproute2";
  nftables = named "nftables";
  qemu_kvm = named "qemu_kvm";
  systemd = named "systemd";
  runCommand = name: environment: text: named name // environment // { inherit text; };
  writeShellScript = name: text: named name // { inherit text; };

  # The package, as far as its file says what it is.
  callPackage =
    file: overrides:
    let
      lib = import ./lib.nix;
      arguments = {
        inherit lib;
        stdenv = {
          mkDerivation = set: set // set.passthru or { } // named "${set.pname}-${set.version}";
          cc.cc.lib = named "gcc-lib";
        };
        autoPatchelfHook = named "auto-patchelf-hook";
        libyaml = named "libyaml";
        sqlite = named "sqlite";
        zlib = named "zlib";
      };
      package = import file;
    in
    package (builtins.intersectAttrs (builtins.functionArgs package) arguments // overrides);
}
