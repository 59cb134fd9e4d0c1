"""Figures as people read them: running times, shares, averages, large numbers, amounts of money and of bytes."""

import math

CENT_PLACES = 2
MOST_PLACES = 6
"""Decimal places of an amount of money."""

KIBIBYTE = 1024


def timer(seconds: float) -> str:
    """Write a running time: ``12.3 s``, then ``3:05``, then ``1:02:03``.

    >>> [timer(seconds) for seconds in (0.04, 12.34, 185, 3723)]
    ['0.0 s', '12.3 s', '3:05', '1:02:03']
    """
    if seconds < 59.95:  # noqa: PLR2004  # what is rounded up to 60 seconds is a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def share(fraction: float) -> str:
    """Write how much of the work is over; all of it only when all of it is.

    >>> share(0.0), share(0.426), share(0.9999), share(1.0)
    ('0 %', '42 %', '99 %', '100 %')
    """
    return f"{int(fraction * 100)} %"


def percentage(share: float | None) -> str | None:
    """Write a share so that only all is 100 % and only nothing is 0 %.

    >>> percentage(0.5), percentage(0.999), percentage(0.001), percentage(1.0), percentage(None)
    ('50 %', '99 %', '1 %', '100 %', None)
    """
    if share is None:
        return None
    whole = round(100 * share)
    return f"{whole if share in {0, 1} else min(max(whole, 1), 99)} %"


def average(value: float | None) -> str | None:
    """Write an average with one place, or with none if it is a whole number.

    >>> average(1.0), average(1.26), average(None)
    ('1', '1.3', None)
    """
    return None if value is None else f"{value:.1f}".removesuffix(".0")


def compact(count: float) -> str:
    """Write a large number in few characters.

    >>> compact(950), compact(12_345), compact(999_960), compact(2_500_000)
    ('950', '12.3k', '1.0M', '2.5M')
    """
    for limit, unit, name in ((999.5, 1, ""), (999_950, 1_000, "k")):
        if count < limit:
            return f"{count / unit:.{1 if name else 0}f}{name}"
    return f"{count / 1_000_000:.1f}M"


def dollars(amount: float | None) -> str | None:
    """Write an amount of US dollars: in cents, or with two digits that count if it is less than one.

    >>> dollars(12.3), dollars(0.0123), dollars(0.000012), dollars(0), dollars(None)
    ('$12.30', '$0.012', '$0.000012', '$0.00', None)
    """
    if amount is None:
        return None
    places = 1 - math.floor(math.log10(amount)) if amount else CENT_PLACES
    return f"${amount:,.{min(max(places, CENT_PLACES), MOST_PLACES)}f}"


def bytes_text(size: int) -> str:
    """Write a number of bytes for people.

    >>> bytes_text(512), bytes_text(2048), bytes_text(3 * 1024**3)
    ('512 bytes', '2.0 KiB', '3.0 GiB')
    """
    if size < KIBIBYTE:
        return f"{size} bytes"
    value = size / KIBIBYTE
    for unit in ("KiB", "MiB"):
        if value < KIBIBYTE:
            return f"{value:.1f} {unit}"
        value /= KIBIBYTE
    return f"{value:.1f} GiB"
