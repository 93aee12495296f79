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
