#define _GNU_SOURCE /* memmem */
#include "engine/chat/split.h"

#include "base/mem.h"
#include "engine/chat/split_call.h"

#include <stdlib.h>
#include <string.h>

#define BARE_BYTES 32   /* of an object that may be a call: {"type": "function", "name" … */
#define HEADER_MAX 1024 /* bytes of a harmony header; longer ones are cut */

enum state { IN_ANSWER = 1, IN_REASONING = 2, IN_TOOL = 4, IN_HEADER = 8, IN_NOTHING = 16 };

enum act {
    TO_ANSWER, TO_REASONING, TO_TOOL,
    HEADER_OPEN,    /* a harmony message's header begins */
    HEADER_CHANNEL, /* its channel follows */
    HEADER_CLOSE,   /* its text follows; the header says what it is */
    TO_NOTHING,     /* the message is over */
};

/* To add a family: rows of its markers. A row holds where its marker, or the `near` one, stands in the template. */
static const struct marker {
    const char *text, *near;
    uint8_t from; /* states it counts in */
    enum act act;
    bool special; /* only ever a special token: never looked for in text */
} marker[] = {
    {"<think>", "</think>", IN_ANSWER | IN_TOOL, TO_REASONING, false}, /* DeepSeek-R1, Qwen3, SmolLM3, GLM */
    {"</think>", "<think>", IN_REASONING | IN_ANSWER, TO_ANSWER, false},
    {"[THINK]", "[/THINK]", IN_ANSWER, TO_REASONING, false}, /* Magistral */
    {"[/THINK]", "[THINK]", IN_REASONING | IN_ANSWER, TO_ANSWER, false},
    {"<tool_call>", "</tool_call>", IN_ANSWER, TO_TOOL, false}, /* Hermes, Qwen, Qwen3-Coder */
    {"</tool_call>", "<tool_call>", IN_TOOL, TO_ANSWER, false},
    {"[TOOL_CALLS]", NULL, IN_ANSWER | IN_TOOL, TO_TOOL, false}, /* Mistral: to the end, or to the next */
    {"<|python_tag|>", NULL, IN_ANSWER, TO_TOOL, true},          /* Llama 3.1 */
    {"<|eom_id|>", "<|python_tag|>", IN_TOOL, TO_ANSWER, true},
    {"<|channel|>", NULL, IN_HEADER | IN_NOTHING | IN_ANSWER, HEADER_CHANNEL, true}, /* gpt-oss */
    {"<|message|>", "<|channel|>", IN_HEADER, HEADER_CLOSE, true},
    {"<|start|>", "<|channel|>", IN_HEADER | IN_NOTHING | IN_REASONING | IN_ANSWER | IN_TOOL, HEADER_OPEN, true},
    {"<|end|>", "<|channel|>", IN_REASONING | IN_ANSWER | IN_TOOL, TO_NOTHING, true},
    {"<|call|>", "<|channel|>", IN_TOOL | IN_ANSWER | IN_REASONING, TO_NOTHING, true},
    {"<|return|>", "<|channel|>", IN_ANSWER | IN_REASONING | IN_TOOL, TO_NOTHING, true},
};
#define MARKERS (sizeof marker / sizeof *marker)

struct split {
    split_sink_fn *sink;
    void *sink_arg;
    uint32_t budget, reasoned, unread;
    enum state state;
    bool harmony, bare_json, trim; /* trim: newlines that begin a part are dropped */
    bool fresh;                    /* nothing of the answer was written yet */
    bool active[MARKERS], special[MARKERS];
    struct buf held, tool, header, channel, forced, lead;
    bool in_channel;
    bool addressed; /* the header that is open names its author: the prompt has begun it */
    char *recipient;
    json_t *calls;
};

static bool holds(const char *text, size_t n, const char *what)
{
    return what && n && memmem(text, n, what, strlen(what)) != NULL;
}

/* The prompt's end: its last marker says whether reasoning is open. */
static bool prompt_opens(const struct split_options *o)
{
    static const char *const open[] = {"<think>", "[THINK]"};
    size_t n = o->prompt_len;
    while (n && (o->prompt[n - 1] == '\n' || o->prompt[n - 1] == ' '))
        n--;
    for (size_t i = 0; i < 2; i++)
        if (n >= strlen(open[i]) && !memcmp(o->prompt + n - strlen(open[i]), open[i], strlen(open[i])))
            return true;
    return false;
}

struct split *split_new(const struct split_options *o)
{
    struct split *s = mem_zero(1, sizeof *s);
    s->sink = o->sink;
    s->sink_arg = o->sink_arg;
    s->budget = o->reasoning_tokens;
    s->calls = json_array();
    const char *close = NULL;
    for (size_t i = 0; i < MARKERS; i++) {
        const struct marker *m = &marker[i];
        s->active[i] = holds(o->template_text, o->template_len, m->text) || holds(o->template_text, o->template_len, m->near);
        s->special[i] = o->special && o->special(o->special_arg, m->text, strlen(m->text));
        s->harmony |= s->active[i] && m->act == HEADER_CHANNEL;
        s->bare_json |= s->active[i] && o->tools && !strcmp(m->text, "<|python_tag|>");
        if (s->active[i] && m->act == TO_ANSWER && m->from & IN_REASONING)
            close = m->text;
    }
    s->state = s->harmony ? IN_HEADER : prompt_opens(o) ? IN_REASONING : IN_ANSWER;
    s->fresh = s->trim = s->addressed = true;
    if (s->harmony)
        buf_adds(&s->forced, "<|end|><|start|>assistant<|channel|>final<|message|>");
    else if (close)
        buf_addf(&s->forced, "\n%s\n\n", close);
    return s;
}

void split_free(struct split *s)
{
    if (!s)
        return;
    buf_release(&s->held);
    buf_release(&s->tool);
    buf_release(&s->header);
    buf_release(&s->channel);
    buf_release(&s->forced);
    buf_release(&s->lead);
    free(s->recipient);
    json_decref(s->calls);
    free(s);
}

static void emit(struct split *s, enum split_part part, const char *p, size_t n)
{
    if (s->trim && part != SPLIT_TOOL) {
        size_t skip = 0;
        while (skip < n && (p[skip] == '\n' || (p[skip] == ' ' && part == SPLIT_REASONING)))
            skip++;
        p += skip;
        n -= skip;
    }
    if (!n)
        return;
    s->trim = false;
    s->sink(s->sink_arg, part, p, n);
}

static void write_text(struct split *s, const char *p, size_t n)
{
    if (!n)
        return;
    switch (s->state) {
    case IN_ANSWER:
        emit(s, SPLIT_ANSWER, p, n);
        break;
    case IN_REASONING:
        emit(s, SPLIT_REASONING, p, n);
        break;
    case IN_TOOL:
        if (s->tool.len + n <= CALL_BYTES_MAX + 1) /* one more than can be read, so that it is not read */
            buf_add(&s->tool, p, n);
        emit(s, SPLIT_TOOL, p, n);
        break;
    case IN_HEADER: {
        struct buf *to = s->in_channel ? &s->channel : &s->header;
        if (to->len + n <= HEADER_MAX)
            buf_add(to, p, n);
        break;
    }
    case IN_NOTHING:
        break;
    }
}

static void close_tool(struct split *s)
{
    if (s->tool.len || s->recipient)
        s->unread += !split_call_read(s->calls, s->recipient, s->tool.len ? s->tool.data : "", s->tool.len);
    buf_clear(&s->tool);
    free(s->recipient);
    s->recipient = NULL;
}

static void go(struct split *s, enum state state)
{
    if (s->state == IN_TOOL)
        close_tool(s);
    s->state = state;
    s->trim = true;
}

/* " to=functions.name" of a header or a channel: the name, or NULL. */
static char *recipient_of(const struct buf *b)
{
    const char *to = b->len ? memmem(b->data, b->len, "to=", 3) : NULL;
    if (!to)
        return NULL;
    to += 3;
    size_t n = strcspn(to, " \t\n<");
    if (n > 10 && !memcmp(to, "functions.", 10)) {
        to += 10;
        n -= 10;
    }
    return n ? mem_strn(to, n) : NULL;
}

static void close_header(struct split *s)
{
    char *to = recipient_of(&s->channel);
    if (!to)
        to = recipient_of(&s->header);
    const char *channel = s->channel.len ? s->channel.data + strspn(s->channel.data, " ") : "final";
    bool analysis = !strncmp(channel, "analysis", 8);
    /* commentary to nobody is what the model says before it calls: for the user to read */
    go(s, to ? IN_TOOL : analysis ? IN_REASONING : IN_ANSWER);
    s->recipient = to;
    buf_clear(&s->header);
    buf_clear(&s->channel);
    s->in_channel = false;
}

static void act(struct split *s, enum act what)
{
    switch (what) {
    case TO_ANSWER:
        go(s, IN_ANSWER);
        break;
    case TO_REASONING:
        go(s, IN_REASONING);
        break;
    case TO_TOOL:
        go(s, IN_TOOL);
        break;
    case HEADER_OPEN:
        go(s, IN_HEADER);
        buf_clear(&s->header);
        buf_clear(&s->channel);
        s->in_channel = s->addressed = false;
        break;
    case HEADER_CHANNEL:
        go(s, IN_HEADER);
        buf_clear(&s->channel);
        s->in_channel = true;
        break;
    case HEADER_CLOSE:
        close_header(s);
        break;
    case TO_NOTHING:
        go(s, IN_NOTHING);
        break;
    }
    s->fresh = false;
}

/* Looks at the held text: takes a marker that it begins with, or writes what cannot begin one. Returns false when more is needed. */
static bool step_held(struct split *s)
{
    const char *p = s->held.data;
    size_t n = s->held.len;
    if (!n)
        return false;
    size_t keep = n; /* where the first possible marker begins */
    for (size_t at = 0; at < n && keep == n; at++) {
        if (p[at] != '<' && p[at] != '[')
            continue;
        for (size_t i = 0; i < MARKERS; i++) {
            const struct marker *m = &marker[i];
            size_t len = strlen(m->text), have = n - at < len ? n - at : len;
            if (!s->active[i] || s->special[i] || m->special || !(m->from & s->state) || memcmp(p + at, m->text, have))
                continue;
            keep = at;
            if (have == len && !at) {
                buf_drop_front(&s->held, len);
                act(s, m->act);
                return true;
            }
        }
    }
    if (!keep)
        return false;
    struct buf whole = s->held; /* the sink sees a stable copy */
    s->held = (struct buf)BUF_INIT;
    buf_add(&s->held, whole.data + keep, n - keep);
    write_text(s, whole.data, keep);
    buf_release(&whole);
    return true;
}

/* Llama 3.1 calls tools by a bare object. Returns false while it is not known yet whether it is one. */
static bool judge_bare(struct split *s, bool end)
{
    size_t blank = 0;
    while (blank < s->held.len && strchr(" \n\t", s->held.data[blank]))
        blank++;
    if (blank == s->held.len && !end)
        return false;
    size_t left = s->held.len - blank;
    if (left && s->held.data[blank] == '{') {
        if (left < BARE_BYTES && !end)
            return false;
        left = left < BARE_BYTES ? left : BARE_BYTES; /* not more, so that it does not depend on how the text was cut */
        if (holds(s->held.data + blank, left, "\"name\"") || holds(s->held.data + blank, left, "\"function\""))
            s->state = IN_TOOL;
    }
    s->fresh = false;
    return true;
}

void split_feed(struct split *s, const char *bytes, size_t n, bool special)
{
    s->reasoned += s->state == IN_REASONING;
    if (special) {
        while (step_held(s))
            ;
        if (s->held.len) { /* what looked like a marker's beginning was none */
            write_text(s, s->held.data, s->held.len);
            buf_clear(&s->held);
        }
        for (size_t i = 0; i < MARKERS; i++)
            if (s->active[i] && marker[i].from & s->state && strlen(marker[i].text) == n && !memcmp(bytes, marker[i].text, n)) {
                act(s, marker[i].act);
                return;
            }
        return; /* of no meaning here: no part of any text */
    }
    buf_add(&s->held, bytes, n);
    if (s->bare_json && s->fresh && s->state == IN_ANSWER && !judge_bare(s, false))
        return;
    while (step_held(s))
        ;
}

void split_end(struct split *s)
{
    if (s->bare_json && s->fresh && s->state == IN_ANSWER && s->held.len)
        judge_bare(s, true);
    while (step_held(s))
        ;
    if (s->held.len)
        write_text(s, s->held.data, s->held.len);
    buf_clear(&s->held);
    if (s->state == IN_TOOL)
        close_tool(s);
    s->state = IN_NOTHING;
}

enum split_part split_part(const struct split *s)
{
    return s->state == IN_REASONING ? SPLIT_REASONING : s->state == IN_TOOL ? SPLIT_TOOL : SPLIT_ANSWER;
}

const char *split_forced(const struct split *s, size_t *n)
{
    bool spent = s->budget && s->state == IN_REASONING && s->reasoned >= s->budget && s->forced.len;
    *n = spent ? s->forced.len : 0;
    return spent ? s->forced.data : NULL;
}

const char *split_lead(struct split *s, bool reason, size_t *n)
{
    bool header = s->state == IN_HEADER && !s->header.len && !s->in_channel;
    if (!s->harmony || (!header && s->state != IN_NOTHING))
        return NULL;
    buf_clear(&s->lead);
    buf_addf(&s->lead, "%s%s<|channel|>%s<|message|>", header ? "" : "<|start|>", header && s->addressed ? "" : "assistant",
             reason ? "analysis" : "final");
    *n = s->lead.len;
    return s->lead.data;
}

uint32_t split_reasoned(const struct split *s)
{
    return s->reasoned;
}

const json_t *split_calls(const struct split *s)
{
    return s->calls;
}

uint32_t split_unread(const struct split *s)
{
    return s->unread;
}
