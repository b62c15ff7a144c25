"""What every platform must keep: subclass a contract and give its fixture."""
