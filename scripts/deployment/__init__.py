"""What the deploy workflow does beside Terraform: plans carried and told, the API asked."""
