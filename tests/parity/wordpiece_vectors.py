#!/usr/bin/env python3
"""Writes wordpiece_vectors.json: texts and the ids that `tokenizers` (PyPI) gives them with the vocabulary of
all-MiniLM-L6-v2. Usage: wordpiece_vectors.py MODEL_DIR > tests/parity/wordpiece_vectors.json
"""
import json
import random
import sys

import tokenizers

random.seed(11)
CODE = [
    "static int add(struct pass *p, uint32_t c)\n{\n\tif (p->chars++ < p->w->max_chars)\n\t\treturn 0;\n}\n",
    "#include <stdio.h>\n#define MAX(a, b) ((a) > (b) ? (a) : (b))\n/* x/2·(1+erf(x/√2)) */\n",
    "template <typename T> std::vector<T>&& move_all(std::unique_ptr<T[]>&& xs) noexcept { return {}; }",
    "def parse_header(self, *, max_bytes: int = 1 << 20) -> Optional[Dict[str, Any]]:\n    \"\"\"Überprüft naïve façade.\"\"\"\n",
    "async fn handle<'a>(&'a mut self, req: Request<Body>) -> Result<Response, Box<dyn Error + 'a>> { todo!() }",
    "func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { defer s.mu.Unlock(); w.WriteHeader(404) }",
    "public final class HttpURLConnectionFactory<K extends Comparable<? super K>> implements AutoCloseable { }",
    "const useStore = create<State>()((set, get) => ({ items: [], add: (x?: Item) => set(s => ({...s, items: [...s.items, x!]})) }));",
    "SELECT u.id, COUNT(*) AS n FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.name LIKE '%a\\_b%' GROUP BY 1;",
    "instance Monad m => Applicative (StateT s m) where { pure a = StateT $ \\s -> return (a, s); (<*>) = ap }",
    "defmodule Foo.Bar do\n  @spec run(pid, keyword) :: {:ok, term} | {:error, atom}\n  def run(pid, opts \\\\ []), do: nil\nend",
    "<div class=\"container\" onclick='go(\"x\")'>&nbsp;&#x1F600;</div>", "fn main() { println!(\"{:?}\", 0x1F_FFFFu64); }",
    "sed -e 's/\\([^,]*\\),\\(.*\\)/\\2 \\1/' < \"$FILE\" | awk -F: '$3 > 1000 {print $1}' && echo \"${x:-y}\"",
    "XMLHttpRequest getHTTPResponseCode snake_case_name SCREAMING_SNAKE kebab-case-name dotted.name.here i18n k8s",
    "a1b2c3d4e5f60718293a4b5c6d7e8f90 0xDEADBEEF 3.14159e-10 1_000_000 v1.2.3-rc.4+build.5",
    "TODO(alice): fix this — see https://example.org/a?b=c&d=%20#frag or mailto:a.b+c@example.org…",
    "aGVsbG8gd29ybGQhIHRoaXMgaXMgYmFzZTY0IGRhdGEgdGhhdCBnb2VzIG9uIGFuZCBvbiBhbmQgb24gYW5kIG9uIGFuZCBvbiBmb3JldmVy",
]
EDGE = [
    "", " ", "\n\t\r\n", "a", "A", ".", "...", "[CLS] [SEP] [MASK] [UNK] [PAD]", "##ing ##", "[unused1]", "don't won't",
    "café CAFÉ cafe\u0301 CAFE\u0301 Ångström ångström A\u030a", "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞß", "İstanbul ıstanbul ISTANBUL ǅ ẞ",
    "ΑΒΓΔ ΣΊΣΥΦΟΣ σς ᾳ ᾼ ώ", "ПРИВЕТ мир Ёлка ёлка Й й", "שָׁלוֹם עולם", "السَّلَامُ عَلَيْكُمْ", "हिन्दी में कोड", "ไทย ภาษาไทย", "தமிழ்", "မြန်မာ",
    "中文字符 mixed 日本語のコード ひらがな カタカナ 한국어 텍스트 가각힣", "漢字、句読点。「引用」！？", "豈更車 \U0002F800\U0002FA1D", "㐀䶵 \U00020000\U0002A6D6 \U0002B820\U0002B920",
    "ﬁ ﬂ ﬀ Ａｂｃ １２３ ｶﾅ", "é\u0327\u0323 a\u0315\u0300\u05ae\u0300\u0062 \u0344 \u0f73", "\u302e\U0001d165a\U0001d165\u302ex \U0001d15e",
    "emoji 😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ ☺ ⌚︎", "zero\u200bwidth\u200cjoin\u200der\u2060word\ufeffbom soft\u00adhyphen", "\u202eright\u202c to left",
    "nul\x00in\x01side\x1f\x7f\x80\x9f\x85 end", "\ufffd replaced \ufffe \uffff", "private \ue000\uf8ff \U000f0000\U0010ffff", "unassigned \u0378\u0379 \U0001fffe",
    "no\u00a0break\u2007figure\u202fnarrow\u3000wide\u1680ogham\u2028line\u2029para\u205fmath\u180emongol", "\u000bvt\u000cff\u001cfs",
    "“quotes” ‘single’ «guillemets» „low‟ —dash–en‒fig ‐hyphen … • · § ¶ † ‡ ‰ ′ ″", "$100 €200 £300 ¥400 ₹500 + < = > | ~ ^ ` ¨ ´ ¯ ° ± × ÷",
    "a\u037eb a\u1fefb a\u2260b \u2010\u2015\u2e3a\u3030\ufe58\uff0d", "x" * 99, "x" * 100, "x" * 101, "é" * 100, "e\u0301" * 100, "é" * 101, "中" * 150,
    "y" * 1000, "the" * 33, "the" * 34, "a b " * 300, "ab\u200b" * 60, ("z" * 60 + "\u0301") * 2, "Ｘ" * 101, "한" * 33, "한" * 34, "한" * 51,
    "\u0958\u09dc\u0b5c\u2126\u212a\u212b", "ǆ ǈ ǋ ǲ Ǳ ŉ ſ ǰ", "𝕳𝖊𝖑𝖑𝖔 𝓦𝓸𝓻𝓵𝓭 ⅣⅨ ⓐⒷ ㎏ ㍿", "\U0001e900\U0001e921 \U00010400\U00010427 \U000118a0", "ᏣᎳᎩ ꭰꭱ Ა ა Ⴀ ⴀ",
    "tab\tand\\nbackslash \\u0041 \\x41 %41 &#65;", "a\u0300\u0301\u0302\u0303\u0304" * 12, "\u0301leading mark \u0301", " \u0301 ", "1\u20e3 #\ufe0f\u20e3",
]


def mixed(n):
    pools = [range(32, 127), range(32, 127), range(0xA0, 0x250), range(0x300, 0x370), range(0x370, 0x600), range(0x900, 0xE00),
             range(0x1E00, 0x2100), range(0x2000, 0x3100), range(0x4E00, 0x4F00), range(0xAC00, 0xAD00), range(0xF900, 0xFB00),
             range(0xFE00, 0x10000), range(0x1F300, 0x1F700), range(0x10000, 0x11000), range(0, 32)]
    out = []
    for _ in range(n):
        pool = random.choice(pools)
        out.append(chr(random.choice(pool if random.random() < .5 else pools[0])))
        if random.random() < .15:
            out.append(" ")
    return "".join(out)


tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()
tokenizer.encode_special_tokens = True  # a text cannot inject a special token
texts = CODE + EDGE + [mixed(random.randrange(5, 60)) for _ in range(200)]
rows = [[t, tokenizer.encode(t).ids] for t in texts]
print("[" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "]")
