"""Downloading, which nobody here can, and checksums."""

import hashlib


def download_and_prepare_dataset(competition, keep_raw, skip_verification):
    answer = input(f"Would you like to open the page of {competition.id} in your browser now? (y/n): ")
    raise AssertionError(answer)


def generate_checksums(folder):
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.csv"))}
