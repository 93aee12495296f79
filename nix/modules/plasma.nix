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
