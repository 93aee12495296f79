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
