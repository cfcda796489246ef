// SPDX-License-Identifier: MIT
// time.c - clocks, and times as text.
//
// A time is microseconds since 1970 UTC; days and dates are converted with the calendar arithmetic of Howard Hinnant's
// "chrono-compatible low-level date algorithms", so neither the C library's time zones nor its locale are involved.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

#define SECONDS_PER_DAY INT64_C(86400)
#define FIRST_SECOND INT64_C(-62135596800) // of the year 1
#define LAST_SECOND INT64_C(253402300799)  // of the year 9999

struct date {
    int64_t year;
    int month, day;  // from 1
};

// What a text said, before it is checked and added up.
struct clock_time {
    struct date date;
    int hour, minute, second;
    int64_t fraction_us;
    int64_t offset_s;  // of the zone, east is positive
};

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t clock_real_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_cpu_us(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

// ---- calendar

// Years begin in March here, so that the leap day is the last of its year; 400 years are 146097 days.
static int64_t days_of(struct date d)
{
    int64_t year = d.month <= 2 ? d.year - 1 : d.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static struct date date_of(int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    return (struct date){
        .year = year_of_era + era * 400 + (month >= 10),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
    };
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

// ---- writing

static char *write_time(int64_t us, char separator, const char *zone, char out[TIME_TEXT_SIZE])
{
    int64_t second = us / US_PER_SECOND - (us % US_PER_SECOND < 0);
    int64_t day = second / SECONDS_PER_DAY - (second % SECONDS_PER_DAY < 0);
    int64_t fraction = us % US_PER_SECOND + (us % US_PER_SECOND < 0 ? US_PER_SECOND : 0);
    unsigned of_day = (unsigned)(second - day * SECONDS_PER_DAY);
    struct date d = date_of(day);

    // The remainders change nothing; they show the compiler that the text fits.
    snprintf(out, TIME_TEXT_SIZE, "%04d-%02u-%02u%c%02u:%02u:%02u.%06u%s", (int)d.year,
             (unsigned)d.month % 100, (unsigned)d.day % 100, separator, of_day / 3600 % 24, of_day / 60 % 60,
             of_day % 60, (unsigned)fraction % 1000000, zone);
    return out;
}

char *time_db(int64_t us, char out[TIME_TEXT_SIZE])
{
    return write_time(us, ' ', "", out);
}

char *time_iso(int64_t us, char out[TIME_TEXT_SIZE])
{
    return write_time(us, 'T', "Z", out);
}

// ---- reading. A reader takes what it knows from the front of *in and says whether that worked.

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct span *in)
{
    return in->len > 0 ? *in->p : '\0';
}

static void skip(struct span *in, size_t n)
{
    in->p += n;
    in->len -= n;
}

static bool read_char(struct span *in, char c)
{
    if (peek(in) != c || in->len == 0)
        return false;
    skip(in, 1);
    return true;
}

static bool read_digits(struct span *in, size_t count, int *ret)
{
    int n = 0;

    if (in->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(in->p[i]))
            return false;
        n = n * 10 + (in->p[i] - '0');
    }
    skip(in, count);
    *ret = n;
    return true;
}

static bool read_date(struct span *in, struct date *ret)
{
    int year;

    if (!read_digits(in, 4, &year) || !read_char(in, '-') || !read_digits(in, 2, &ret->month) ||
        !read_char(in, '-') || !read_digits(in, 2, &ret->day))
        return false;
    ret->year = year;
    return true;
}

// hh:mm and, when there are any, seconds.
static bool read_clock_time(struct span *in, bool seconds_required, struct clock_time *ret)
{
    if (!read_digits(in, 2, &ret->hour) || !read_char(in, ':') || !read_digits(in, 2, &ret->minute))
        return false;
    if (!read_char(in, ':'))
        return !seconds_required;
    return read_digits(in, 2, &ret->second);
}

// Digits behind the sixth are read and dropped.
static bool read_fraction(struct span *in, int64_t *ret_us)
{
    int64_t us = 0, unit = US_PER_SECOND / 10;

    if (!read_char(in, '.') && !read_char(in, ','))
        return true;
    if (!is_digit(peek(in)))
        return false;
    for (; is_digit(peek(in)); skip(in, 1), unit /= 10)
        us += (*in->p - '0') * unit;
    *ret_us = us;
    return true;
}

static bool read_zone(struct span *in, int64_t *ret_s)
{
    int hours, minutes = 0;

    if (in->len == 0 || read_char(in, 'Z') || read_char(in, 'z'))
        return true;
    int64_t sign = peek(in) == '-' ? -1 : 1;
    if (!read_char(in, '+') && !read_char(in, '-'))
        return false;
    if (!read_digits(in, 2, &hours))
        return false;
    if (in->len > 0 && ((void)read_char(in, ':'), !read_digits(in, 2, &minutes)))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

// Checks the parts and adds them up. A 60th second is a leap second and counts as the first of the next minute. What a
// zone moves out of the years that can be written with four digits is no time: as text it would not be in order.
static bool add_up(const struct clock_time *t, int64_t *ret_us)
{
    const struct date *d = &t->date;

    if (d->month < 1 || d->month > 12 || d->day < 1 || d->day > days_in_month(d->year, d->month))
        return false;
    if (t->hour > 23 || t->minute > 59 || t->second > 60)
        return false;
    int64_t of_day = t->hour * 3600 + t->minute * 60 + t->second;
    int64_t seconds = days_of(*d) * SECONDS_PER_DAY + of_day - t->offset_s;
    if (seconds < FIRST_SECOND || seconds > LAST_SECOND)
        return false;
    *ret_us = seconds * US_PER_SECOND + t->fraction_us;
    return true;
}

bool time_parse(struct span text, int64_t *ret_us)
{
    struct clock_time t = {0};

    if (!read_date(&text, &t.date))
        return false;
    if (text.len > 0) {
        if (!read_char(&text, 'T') && !read_char(&text, 't') && !read_char(&text, ' '))
            return false;
        if (!read_clock_time(&text, false, &t) || !read_fraction(&text, &t.fraction_us) ||
            !read_zone(&text, &t.offset_s))
            return false;
    }
    return text.len == 0 && add_up(&t, ret_us);
}

// ---- HTTP dates

static bool read_word(struct span *in, const char *word)
{
    size_t n = strlen(word);

    if (in->len < n || memcmp(in->p, word, n) != 0)
        return false;
    skip(in, n);
    return true;
}

static bool read_month(struct span *in, int *ret)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    for (size_t i = 0; i < ARRAY_SIZE(months); i++)
        if (read_word(in, months[i])) {
            *ret = (int)i + 1;
            return true;
        }
    return false;
}

// A year of two digits is the one nearest to now that is not more than 50 years ahead.
static int64_t full_year(int two_digits)
{
    int64_t now = date_of(clock_real_us() / US_PER_SECOND / SECONDS_PER_DAY).year;
    int64_t year = now - now % 100 + two_digits;

    if (year > now + 50)
        year -= 100;
    else if (year <= now - 50)
        year += 100;
    return year;
}

// "06 Nov 1994 08:49:37 GMT" or, with dashes and a short year, "06-Nov-94 08:49:37 GMT".
static bool read_gmt_date(struct span *in, char separator, struct clock_time *t)
{
    int year;

    if (!read_digits(in, 2, &t->date.day) || !read_char(in, separator) ||
        !read_month(in, &t->date.month) || !read_char(in, separator) ||
        !read_digits(in, separator == '-' ? 2 : 4, &year))
        return false;
    t->date.year = separator == '-' ? full_year(year) : year;
    return read_char(in, ' ') && read_clock_time(in, true, t) && read_word(in, " GMT");
}

// " Nov  6 08:49:37 1994", a day below 10 with a space in front.
static bool read_asctime(struct span *in, struct clock_time *t)
{
    int year;

    if (!read_char(in, ' ') || !read_month(in, &t->date.month) || !read_char(in, ' ') ||
        !read_digits(in, read_char(in, ' ') ? 1 : 2, &t->date.day) || !read_char(in, ' ') ||
        !read_clock_time(in, true, t) || !read_char(in, ' ') || !read_digits(in, 4, &year))
        return false;
    t->date.year = year;
    return true;
}

bool time_parse_http(struct span text, int64_t *ret_us)
{
    static const char weekdays[][10] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};
    struct clock_time t = {0};

    for (size_t i = 0; i < ARRAY_SIZE(weekdays); i++) {
        char brief[4] = {weekdays[i][0], weekdays[i][1], weekdays[i][2], '\0'};
        struct span rest = text;
        bool ok;
        if (read_word(&rest, weekdays[i]))
            ok = read_word(&rest, ", ") && read_gmt_date(&rest, '-', &t);
        else if (!read_word(&rest, brief))
            continue;
        else if (read_word(&rest, ", "))
            ok = read_gmt_date(&rest, ' ', &t);
        else
            ok = read_asctime(&rest, &t);
        return ok && rest.len == 0 && add_up(&t, ret_us);
    }
    return false;
}

// ---- durations

static const struct {
    char unit;
    int64_t seconds;
} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', SECONDS_PER_DAY}, {'w', 7 * SECONDS_PER_DAY}};
#define DURATION_MAX (365000 * SECONDS_PER_DAY)

// One number with its unit; false: it is none, or too much.
static bool read_part(struct span *in, int64_t *seconds)
{
    int64_t n = 0;
    size_t at = 0;

    for (; at < in->len && in->p[at] >= '0' && in->p[at] <= '9' && n <= DURATION_MAX; at++)
        n = n * 10 + (in->p[at] - '0');
    if (at == 0 || at == in->len || n > DURATION_MAX)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (units[i].unit != in->p[at])
            continue;
        *seconds += n * units[i].seconds;
        *in = (struct span){in->p + at + 1, in->len - at - 1};
        return *seconds <= DURATION_MAX;
    }
    return false;
}

bool duration_parse(struct span text, int64_t *ret_us)
{
    int64_t seconds = 0;

    while (text.len > 0)
        if (!read_part(&text, &seconds))
            return false;
    if (seconds == 0)
        return false;
    *ret_us = seconds * US_PER_SECOND;
    return true;
}
