"""Reads what SOPS encrypted: documents of five forms whose values, not their keys, are ciphertext. Spec: the Kustomization build, F.3.

`document.py` is the door; `keyring.py` holds keys, `forms` the document forms. Pure. What is decrypted is returned, never kept, and no
message holds a value.
"""
