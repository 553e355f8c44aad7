module marina/bench/loadgen

go 1.23
