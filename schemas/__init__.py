"""Contracts: what is on disk and what a model may answer. Imports nothing of ours."""
