"""AWS on this machine: moto's control plane, the real Runtime Interface Emulator, an HTTP front."""
