; cuda
