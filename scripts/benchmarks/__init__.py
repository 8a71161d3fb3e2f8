"""How fast lambda-build is, how much it needs and how large its ZIPs are, beside its peers."""
