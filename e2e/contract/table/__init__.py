"""The contract of API servers as a table: cases are lists of requests, played on a real kube-apiserver and on the ones in memory."""
