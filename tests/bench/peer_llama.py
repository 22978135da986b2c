"""llama.cpp through llama-cpp-python, asked line by line as bench_engine_decoder is: file, threads. Run as a program, by the Python
of the build that is to be measured."""
import ctypes
import sys
import time

import llama_cpp as lib

ROWS, CONTEXT = 512, 16384


@lib.llama_log_callback
def quiet(level, message, data):
    pass


def main():
    path, threads = sys.argv[1], int(sys.argv[2])
    lib.llama_log_set(quiet, ctypes.c_void_p(0))
    start = time.perf_counter()
    lib.llama_backend_init()
    how = lib.llama_model_default_params()
    how.n_gpu_layers = 0
    model = lib.llama_model_load_from_file(path.encode(), how)
    what = lib.llama_context_default_params()
    what.n_ctx, what.n_batch, what.n_ubatch = CONTEXT, ROWS, ROWS
    what.n_threads = what.n_threads_batch = threads
    context = lib.llama_init_from_model(model, what)
    vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    print(f"load {time.perf_counter() - start:.4f} 0 {lib.llama_print_system_info().decode().strip()}", flush=True)

    def step(tokens):
        array = (lib.llama_token * len(tokens))(*tokens)
        if lib.llama_decode(context, lib.llama_batch_get_one(array, len(tokens))):
            raise SystemExit("llama_decode failed")
        lib.llama_synchronize(context)
        lib.llama_get_logits_ith(context, -1)

    for line in sys.stdin:
        name, n = line.split()
        n = int(n)
        start = time.perf_counter()
        if name == "prefill":
            lib.llama_memory_clear(lib.llama_get_memory(context), True)
            for i in range(0, n, ROWS):
                step([(j * 7919 + 11) % vocab for j in range(i, min(i + ROWS, n))])
        else:
            for i in range(n):
                step([(i * 104729 + 5) % vocab])
        print(f"{time.perf_counter() - start:.6f}", flush=True)


main()
