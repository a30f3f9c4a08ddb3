"""secret-sync: puts a release's secret values into SSM Parameter Store and proves that the cluster has them."""

__version__ = "1.0.0"
