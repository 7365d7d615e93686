-- Prevents: an event whose rows have another outcome than was decided, because a build did not look at its file again.
{{ unbalanced('events_to_outcomes', ref('event_figures'), 'decided events') }}
