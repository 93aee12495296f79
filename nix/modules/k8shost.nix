# K8sHost: not there yet; what its unit will be.
import ./service.nix {
  name = "k8shost";
  title = "K8sHost";
  summary = "Kubernetes clusters on the cluster's machines";
  ports.api = 8086;
}
