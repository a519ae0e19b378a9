"""Groups that another server answers for, and how requests are passed on to what stands behind their APIServices."""
