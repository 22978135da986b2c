#!/usr/bin/env python3
"""Writes a small file with the writer of `gguf` (PyPI): keys of every kind, tensors of several types and ranks. Usage:
gguf_file.py tests/fuzz/corpus/engine_gguf/good, which tests/unit/engine/test_gguf.c reads."""
import sys

import gguf
import numpy as np

w = gguf.GGUFWriter(sys.argv[1], "llama")
w.add_uint8("k.u8", 200)
w.add_int8("k.i8", -7)
w.add_uint16("k.u16", 60000)
w.add_int16("k.i16", -30000)
w.add_uint32("k.u32", 4000000000)
w.add_int32("k.i32", -2000000000)
w.add_uint64("k.u64", 1 << 62)
w.add_int64("k.i64", -(1 << 62))
w.add_float32("k.f32", 1.5)
w.add_float64("k.f64", -0.1)
w.add_bool("k.yes", True)
w.add_string("k.text", "naïve")
w.add_array("k.ints", [1, -2, 3])
w.add_array("k.floats", [0.5, -1.25])
w.add_array("k.bools", [True, False])
w.add_token_list(["<s>", "</s>", "ab", "ö"])
x = np.arange(-128, 128, dtype=np.float32)
w.add_tensor("a.weight", x[:24].reshape(2, 3, 4))
w.add_tensor("b.weight", gguf.quantize(x.reshape(4, 64), gguf.GGMLQuantizationType.Q8_0),
             raw_dtype=gguf.GGMLQuantizationType.Q8_0)
w.add_tensor("c.weight", x[:5].astype(np.float16))
w.add_tensor("d.weight", gguf.quantize(x.reshape(2, 128), gguf.GGMLQuantizationType.BF16), raw_dtype=gguf.GGMLQuantizationType.BF16)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
