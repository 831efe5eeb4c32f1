/* strftime() as glibc has it in the C locale, which CPython calls through wcsftime(). It takes the place of wasi-libc's:
 * that one returns nothing at all for a format with a directive or flag that it does not know, such as `%l`, `%^b` or a
 * lone `%`, where programs for Linux expect text.
 */
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

struct output {
    wchar_t *text; /* where the next character goes; NULL to count only */
    size_t left;   /* characters that fit, the final 0 included */
    size_t length;
};

struct directive {
    const wchar_t *start;
    int width;
    wchar_t padding;  /* `_`, `-`, `0`, or 0 for the directive's own */
    wchar_t modifier; /* `E`, `O` or 0 */
    bool to_upper;
    bool change_case;
};

static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static bool format(struct output *output, const wchar_t *f, const struct tm *tm);

/* ---- write ------------------------------------------------------------------------------------------------------ */

static bool
fill(struct output *output, wchar_t character, size_t count)
{
    if (count >= output->left) {
        return false;
    }
    if (output->text != NULL) {
        wmemset(output->text, character, count);
        output->text += count;
    }
    output->left -= count;
    output->length += count;
    return true;
}

/* As much as `length` is less than the directive's width. */
static bool
pad(struct output *output, const struct directive *directive, size_t length)
{
    if (directive->width < 0 || (size_t)directive->width <= length) {
        return true;
    }
    return fill(output, directive->padding == L'0' ? L'0' : L' ', (size_t)directive->width - length);
}

static wchar_t
upper(wchar_t character)
{
    return character >= L'a' && character <= L'z' ? character - L'a' + L'A' : character;
}

static wchar_t
lower(wchar_t character)
{
    return character >= L'A' && character <= L'Z' ? character - L'A' + L'a' : character;
}

static bool
put(struct output *output, const struct directive *directive, const char *text, size_t length, bool to_lower)
{
    if (!pad(output, directive, length)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        wchar_t character = (unsigned char)text[i];
        character = to_lower ? lower(character) : directive->to_upper ? upper(character) : character;
        if (!fill(output, character, 1)) {
            return false;
        }
    }
    return true;
}

static bool
put_text(struct output *output, struct directive *directive, const char *text, size_t length)
{
    directive->to_upper |= directive->change_case;
    return put(output, directive, text, length, false);
}

/* A name of days or months; `?` for one that there is not. */
static bool
put_name(struct output *output, struct directive *directive, const char *const *names, int count, int index, bool is_short)
{
    const char *name = index < 0 || index >= count ? "?" : names[index];
    size_t length = strlen(name);
    return put_text(output, directive, name, is_short && length > 3 ? 3 : length);
}

/* At least `digits` long, or as long as the directive says. */
static bool
put_number(struct output *output, struct directive *directive, int digits, long long value)
{
    char text[24];
    size_t length = 0;
    unsigned long long rest = value < 0 ? -(unsigned long long)value : (unsigned long long)value;
    do {
        text[sizeof text - ++length] = (char)('0' + rest % 10);
    } while ((rest /= 10) != 0);
    bool has_sign = value < 0;
    if (digits < directive->width) {
        digits = directive->width;
    }
    size_t whole = length + has_sign;
    size_t missing = directive->padding != L'-' && (size_t)digits > whole ? (size_t)digits - whole : 0;
    if (directive->padding == L'_') {
        if (!fill(output, L' ', missing)) {
            return false;
        }
        missing = 0;
    }
    /* Without padding, the width still counts. */
    if (directive->padding == L'-' && !pad(output, directive, whole)) {
        return false;
    }
    if ((has_sign && !fill(output, L'-', 1)) || !fill(output, L'0', missing)) {
        return false;
    }
    directive->width = -1;
    return put(output, directive, text + sizeof text - length, length, false);
}

static bool
put_number_after_spaces(struct output *output, struct directive *directive, int digits, long long value)
{
    if (directive->padding == 0) {
        directive->padding = L'_';
    }
    return put_number(output, directive, digits, value);
}

static bool
put_format(struct output *output, const struct directive *directive, const wchar_t *f, const struct tm *tm)
{
    struct output count = {NULL, (size_t)-1, 0};
    if (!format(&count, f, tm) || !pad(output, directive, count.length)) {
        return false;
    }
    wchar_t *start = output->text;
    if (!format(output, f, tm)) {
        return false;
    }
    for (; directive->to_upper && start != NULL && start < output->text; start++) {
        *start = upper(*start);
    }
    return true;
}

/* ---- directives ------------------------------------------------------------------------------------------------- */

static bool
is_leap(long long year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from the Monday of the year's first ISO week; negative before it. */
static int
days_of_iso_year(int yday, int wday)
{
    const int big_multiple_of_7 = 3 * 7;
    return yday - (yday - wday + 4 + big_multiple_of_7) % 7 + 4 - 1;
}

static bool
put_iso_week(struct output *output, struct directive *directive, wchar_t letter, const struct tm *tm)
{
    long long year = tm->tm_year + 1900LL;
    int from_monday = days_of_iso_year(tm->tm_yday, tm->tm_wday);
    if (from_monday < 0) {
        year--;
        from_monday = days_of_iso_year(tm->tm_yday + 365 + is_leap(year), tm->tm_wday);
    }
    else {
        int of_next = days_of_iso_year(tm->tm_yday - 365 - is_leap(year), tm->tm_wday);
        if (of_next >= 0) {
            year++;
            from_monday = of_next;
        }
    }
    switch (letter) {
    case L'g': return put_number(output, directive, 2, (year % 100 + 100) % 100);
    case L'G': return put_number(output, directive, 1, year);
    default: return put_number(output, directive, 2, from_monday / 7 + 1);
    }
}

static bool
put_seconds_of_epoch(struct output *output, struct directive *directive, const struct tm *tm)
{
    struct tm copy = *tm;
    long long seconds = mktime(&copy);
    struct output count = {NULL, (size_t)-1, 0};
    struct directive narrow = *directive;
    narrow.width = -1;
    /* Its width is that of a text, not of a number. */
    return put_number(&count, &narrow, 1, seconds) && pad(output, directive, count.length) &&
           put_number(output, &narrow, 1, seconds);
}

/* What only the C library knows. */
static bool
put_zone(struct output *output, struct directive *directive, const struct tm *tm)
{
    char zone[64];
    size_t length = strftime(zone, sizeof zone, "%Z", tm);
    directive->to_upper &= !directive->change_case;
    return put(output, directive, zone, length, directive->change_case);
}

static bool
put_offset(struct output *output, struct directive *directive, const struct tm *tm)
{
    char text[16];
    if (strftime(text, sizeof text, "%z", tm) == 0) {
        return true;
    }
    int offset = 0;
    for (const char *digit = text + 1; *digit != '\0'; digit++) {
        offset = offset * 10 + (*digit - '0');
    }
    return put(output, directive, text, 1, false) && put_number(output, directive, 4, offset);
}

static bool
put_half_of_day(struct output *output, struct directive *directive, wchar_t letter, const struct tm *tm)
{
    bool to_lower = letter == L'P' || directive->change_case;
    return put(output, directive, tm->tm_hour > 11 ? "PM" : "AM", 2, to_lower);
}

static int
hour_of_12(const struct tm *tm)
{
    int hour = tm->tm_hour > 12 ? tm->tm_hour - 12 : tm->tm_hour;
    return hour == 0 ? 12 : hour;
}

/* A directive that does not exist is text, from its `%` on. */
static bool
put_unknown(struct output *output, const struct directive *directive, const wchar_t *end)
{
    /* A `%` behind a modifier stands for itself. */
    const wchar_t *start = end[-1] == L'%' ? end - 1 : directive->start;
    size_t length = (size_t)(end - start);
    if (!pad(output, directive, length)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        wchar_t character = start[i];
        if (!fill(output, directive->to_upper ? upper(character) : character, 1)) {
            return false;
        }
    }
    return true;
}

/* Whether glibc takes `letter` with this modifier. */
static bool
is_known(wchar_t letter, wchar_t modifier)
{
    static const wchar_t plain[] = L"aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";
    /* Those that refuse one of the modifiers, or both. */
    static const wchar_t not_with_e[] = L"aAbBdDeFgGhHIjklmMSUVwW%";
    static const wchar_t not_with_o[] = L"aAcDFxXY%";
    if (letter == 0 || wcschr(plain, letter) == NULL) {
        return false;
    }
    return modifier == 0 || wcschr(modifier == L'E' ? not_with_e : not_with_o, letter) == NULL;
}

static bool
put_directive(struct output *output, struct directive *directive, wchar_t letter, const struct tm *tm)
{
    long long year = tm->tm_year + 1900LL;
    switch (letter) {
    case L'%': return put(output, directive, "%", 1, false);
    case L'n': return put(output, directive, "\n", 1, false);
    case L't': return put(output, directive, "\t", 1, false);
    case L'a': return put_name(output, directive, days, 7, tm->tm_wday, true);
    case L'A': return put_name(output, directive, days, 7, tm->tm_wday, false);
    case L'b':
    case L'h': return put_name(output, directive, months, 12, tm->tm_mon, true);
    case L'B': return put_name(output, directive, months, 12, tm->tm_mon, false);
    case L'c': return put_format(output, directive, L"%a %b %e %H:%M:%S %Y", tm);
    case L'x':
    case L'D': return put_format(output, directive, L"%m/%d/%y", tm);
    case L'F': return put_format(output, directive, L"%Y-%m-%d", tm);
    case L'R': return put_format(output, directive, L"%H:%M", tm);
    case L'r': return put_format(output, directive, L"%I:%M:%S %p", tm);
    case L'X':
    case L'T': return put_format(output, directive, L"%H:%M:%S", tm);
    case L'C': return put_number(output, directive, 1, year / 100 - (year % 100 < 0));
    case L'd': return put_number(output, directive, 2, tm->tm_mday);
    case L'e': return put_number_after_spaces(output, directive, 2, tm->tm_mday);
    case L'H': return put_number(output, directive, 2, tm->tm_hour);
    case L'I': return put_number(output, directive, 2, hour_of_12(tm));
    case L'k': return put_number_after_spaces(output, directive, 2, tm->tm_hour);
    case L'l': return put_number_after_spaces(output, directive, 2, hour_of_12(tm));
    case L'j': return put_number(output, directive, 3, 1 + tm->tm_yday);
    case L'M': return put_number(output, directive, 2, tm->tm_min);
    case L'm': return put_number(output, directive, 2, 1 + tm->tm_mon);
    case L'S': return put_number(output, directive, 2, tm->tm_sec);
    case L's': return put_seconds_of_epoch(output, directive, tm);
    case L'u': return put_number(output, directive, 1, (tm->tm_wday + 6) % 7 + 1);
    case L'w': return put_number(output, directive, 1, tm->tm_wday);
    case L'U': return put_number(output, directive, 2, (tm->tm_yday - tm->tm_wday + 7) / 7);
    case L'W': return put_number(output, directive, 2, (tm->tm_yday - (tm->tm_wday + 6) % 7 + 7) / 7);
    case L'Y': return put_number(output, directive, 1, year);
    case L'y': return put_number(output, directive, 2, (year % 100 + 100) % 100);
    case L'Z': return put_zone(output, directive, tm);
    case L'z': return put_offset(output, directive, tm);
    case L'p':
    case L'P': return put_half_of_day(output, directive, letter, tm);
    default: return put_iso_week(output, directive, letter, tm);
    }
}

/* ---- read ------------------------------------------------------------------------------------------------------- */

/* Reads flags, width and modifier behind a `%`; returns where the letter stands. */
static const wchar_t *
parse(const wchar_t *f, struct directive *directive)
{
    *directive = (struct directive){.start = f - 1, .width = -1};
    for (; *f != 0 && wcschr(L"_-0^#", *f) != NULL; f++) {
        if (*f == L'^') {
            directive->to_upper = true;
        }
        else if (*f == L'#') {
            directive->change_case = true;
        }
        else {
            directive->padding = *f;
        }
    }
    for (; *f >= L'0' && *f <= L'9'; f++) {
        int digit = (int)(*f - L'0');
        int width = directive->width < 0 ? 0 : directive->width;
        directive->width = width > (INT_MAX - digit) / 10 ? INT_MAX : width * 10 + digit;
    }
    if (*f == L'E' || *f == L'O') {
        directive->modifier = *f++;
    }
    return f;
}

static bool
format(struct output *output, const wchar_t *f, const struct tm *tm)
{
    while (*f != 0) {
        if (*f++ != L'%') {
            if (!fill(output, f[-1], 1)) {
                return false;
            }
            continue;
        }
        struct directive directive;
        f = parse(f, &directive);
        wchar_t letter = *f;
        f += letter != 0;
        bool fits = is_known(letter, directive.modifier) ? put_directive(output, &directive, letter, tm)
                                                         : put_unknown(output, &directive, f);
        if (!fits) {
            return false;
        }
    }
    return true;
}

size_t
wcsftime(wchar_t *restrict text, size_t size, const wchar_t *restrict f, const struct tm *restrict tm)
{
    struct output output = {text, size, 0};
    if (size == 0 || !format(&output, f, tm)) {
        return 0;
    }
    *output.text = 0;
    return output.length;
}
