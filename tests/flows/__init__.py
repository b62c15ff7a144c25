"""Tests of the flows, run by Prefect itself."""
