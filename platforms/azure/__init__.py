"""Azure: Blob Storage, Azure ML, Container Registry, Container Instances, AKS, Key Vault, Application Insights."""
