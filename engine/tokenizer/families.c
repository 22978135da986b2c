#include "engine/tokenizer/families.h"

#include <string.h>

/* Parts that families share. */
#define ENGLISH "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define BLANKS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define WORDS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(tail) "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" tail
#define O200K(digits) CASED(ENGLISH "?") "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" BLANKS
#define ASCII_SIGN "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define DEEPSEEK(signs) ASCII_SIGN "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+" signs

static const struct recipe
    gpt2 = {{GPT2}},
    llama3 = {{ENGLISH "|" WORDS "|\\p{N}{1,3}|" SIGNS "|" BLANKS}},
    qwen2 = {{ENGLISH "|" WORDS "|\\p{N}|" SIGNS "|" BLANKS}},
    qwen35 = {{ENGLISH "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" BLANKS}},
    no_english = {{WORDS "|\\p{N}|" SIGNS "|" BLANKS}},
    jais2 = {{ENGLISH "|" WORDS "|\\p{N}{1,3}|" SIGNS "|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|"
              "\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"}},
    seed = {{ENGLISH "|" WORDS "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" BLANKS}},
    bailing = {{"'(?i:[sdmt]|ll|ve|re)|" WORDS "|\\p{N}|" SIGNS "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    minicpm = {{"\\p{N}{1,3}", ENGLISH "|" WORDS "|\\p{N}+|" SIGNS "|" BLANKS}},
    laguna = {{"[^\\n]+|[\\n]+", ENGLISH "|" WORDS "|\\p{N}|" SIGNS "|" BLANKS}},
    exaone_moe = {{ENGLISH "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+["
        "\\r\\n/]?|"
                   "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    o200k = {{O200K("\\p{N}{1,3}")}},
    tiny_aya = {{"\\d{1,3}(?=(?:\\d{3})*\\b)", O200K("\\p{N}{1,3}")}},
    tekken = {{CASED("") "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" BLANKS}},
    youtu = {{"[\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-"
        "\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", O200K("\\p{N}")}},
    kimi = {{"\\p{Han}+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}"
        "\\p{M}&&[^\\p{Han}]]+"
             ENGLISH "?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+"
             "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*" ENGLISH "?|\\p{N}{1,3}|" SIGNS "|" BLANKS}},
    deepseek_llm = {{"[\r\n]",
        "\\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373"
        "\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F"
        "\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-"
        "\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-"
        "\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-"
        "\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-"
        "\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-"
        "\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A"
        "\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2"
        "\U000118A0-\U000118DF\U0001E900-\U0001E943]+",
        "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", "\\s+$", "[\u4E00-\u9FA5\u0800-\u4E00"
        "\uAC00-\uD7FF]+", "\\p{N}+"}},
    deepseek_coder = {{"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", "\\p{N}"}},
    deepseek3 = {{"\\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", DEEPSEEK("[\r\n]*|\\s*[\r\n]+|\\s+(?!"
        "\\S)|\\s+")}},
    spark = {{"\\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", DEEPSEEK("|[\r\n]|\\s+(?!\\S)|\\s+"), "\\p{N}"}},
    afmoe = {{"\\d{1,3}(?=(?:\\d{3})*(?!\\d))",
        "[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF\u0E40-\u0E7F"
        "\u0E80-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+", DEEPSEEK("["
        "\\r\\n]*|" BLANKS)}},
    falcon = {{"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
    starcoder = {{"\\p{N}", GPT2}},
    bloom = {{" ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+"}},
    viking = {{" ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+", "\\p{N}"}},
    chameleon = {{"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
                  "[\\p{P}!-/:-@\\[-`{-~]", GPT2}},
    superbpe = {{"\\p{N}+", "\\d{1,3}(?=(?:\\d{3})*(?!\\d))"}},
    lines = {{"[^\\n]+|[\\n]+"}},
    none = {{"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}};

/* To add one: its name as tokenizer.ggml.pre has it, the expressions of its tokenizer.json, what else is special. */
const struct family families[] = {
    {"default", &none, 0},
    {"gpt-2", &gpt2, 0}, {"phi-2", &gpt2, 0}, {"jina-es", &gpt2, 0}, {"jina-de", &gpt2, 0}, {"jina-v2-es", &gpt2, 0},
    {"jina-v2-de", &gpt2, 0}, {"jina-v1-en", &gpt2, 0}, {"jina-v2-code", &gpt2, 0}, {"roberta-bpe", &gpt2, 0},
    {"gigachat", &gpt2, 0}, {"a.x-4.0", &gpt2, 0}, {"mellum", &gpt2, 0}, {"modern-bert", &gpt2, 0}, {"mpt", &gpt2, 0},
    {"olmo", &gpt2, 0}, {"jais", &gpt2, 0}, {"trillion", &gpt2, 0}, {"granite-docling", &gpt2, 0}, {"exaone4", &gpt2, 0},
    {"llama3", &llama3, FAMILY_WHOLE | FAMILY_BOS}, {"llama-v3", &llama3, FAMILY_WHOLE | FAMILY_BOS},
    {"llama-bpe", &llama3, FAMILY_WHOLE | FAMILY_BOS}, {"falcon3", &llama3, FAMILY_WHOLE | FAMILY_BOS},
    {"falcon-h1", &llama3, FAMILY_WHOLE | FAMILY_BOS}, {"pixtral", &llama3, FAMILY_WHOLE | FAMILY_BOS},
    {"midm-2.0", &llama3, FAMILY_WHOLE | FAMILY_BOS}, {"lfm2", &llama3, FAMILY_WHOLE | FAMILY_BOS},
    {"jina-v5-nano", &llama3, FAMILY_WHOLE | FAMILY_BOS},
    {"dbrx", &llama3, 0}, {"smaug-bpe", &llama3, 0}, {"chatglm-bpe", &llama3, 0}, {"glm4", &llama3, FAMILY_WHOLE},
    {"glm5", &llama3, FAMILY_WHOLE}, {"minicpm5", &minicpm, FAMILY_WHOLE}, {"jais-2", &jais2, 0},
    {"qwen2", &qwen2, 0}, {"deepseek-r1-qwen", &qwen2, 0}, {"kormo", &qwen2, 0}, {"f2llmv2", &qwen2, 0}, {"megrez", &qwen2, 0},
    {"stablelm2", &qwen2, 0}, {"hunyuan", &qwen2, 0}, {"solar-open", &qwen2, 0}, {"grok-2", &qwen2, 0},
    {"qwen35", &qwen35, 0}, {"ufakzeka", &no_english, 0}, {"laguna", &laguna, 0}, {"seed-coder", &seed, 0},
    {"bailingmoe", &bailing, 0}, {"bailingmoe2", &bailing, 0}, {"llada-moe", &bailing, 0}, {"exaone-moe", &exaone_moe, 0},
    {"gpt-4o", &o200k, 0}, {"llama4", &o200k, 0}, {"kanana2", &o200k, 0}, {"talkie", &o200k, 0}, {"minimax-m2", &o200k, 0},
    {"granite-embed-multi-97m", &o200k, FAMILY_WHOLE}, {"tiny_aya", &tiny_aya, 0}, {"cohere2moe", &tiny_aya, 0},
    {"tekken", &tekken, FAMILY_WHOLE | FAMILY_BOS}, {"youtu", &youtu, FAMILY_WHOLE}, {"kimi-k2", &kimi, 0},
    {"deepseek-llm", &deepseek_llm, 0}, {"deepseek-coder", &deepseek_coder, 0}, {"deepseek-v3", &deepseek3, 0},
    {"hunyuan-dense", &deepseek3, 0}, {"joyai-llm", &deepseek3, 0}, {"hy_v4", &deepseek3, 0}, {"spark2_5", &spark, 0},
    {"afmoe", &afmoe, 0}, {"falcon", &falcon, 0},
    {"starcoder", &starcoder, 0}, {"refact", &starcoder, 0}, {"command-r", &starcoder, 0}, {"smollm", &starcoder, 0},
    {"codeshell", &starcoder, 0}, {"exaone", &starcoder, 0}, {"minerva-7b", &starcoder, 0}, {"mellum2", &starcoder, 0},
    {"bloom", &bloom, 0}, {"gpt3-finnish", &bloom, 0}, {"poro-chat", &bloom, 0}, {"viking", &viking, 0},
    {"chameleon", &chameleon, FAMILY_BOS}, {"superbpe", &superbpe, 0},
    {"gemma4", &lines, FAMILY_SPACES | FAMILY_BOS}, {"granite-embed-multi-311m", &lines, FAMILY_SPACES},
    {"sarvam-moe", &lines, FAMILY_SPACES},
};
const size_t nfamilies = sizeof families / sizeof *families;

const struct family *family_find(const char *name)
{
    for (size_t i = 0; i < nfamilies; i++)
        if (!strcmp(families[i].name, name))
            return &families[i];
    return NULL;
}
