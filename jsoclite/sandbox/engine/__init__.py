"""Record sets, evaluated on a catalogue."""
