"""What a server says of its kinds in OpenAPI v3: what kubectl reads to validate, merge and explain."""
