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
