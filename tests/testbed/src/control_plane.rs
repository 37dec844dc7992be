//! A real etcd + kube-apiserver + kube-controller-manager.
