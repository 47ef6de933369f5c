"""The language of record sets: `series[time][key]{segment}`."""
