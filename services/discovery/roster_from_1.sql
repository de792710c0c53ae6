-- A roster of version 1 told targets by address and port, and had no more than their keys.

INSERT INTO answer
    (round, target, body, outcome, found_by, credential, version, reason, answered_at, given,
     published)
SELECT answer_1.round, target,
    CASE port WHEN 0 THEN json_object('ipp', address)
        ELSE json_object('snmp', address, 'port', port) END,
    outcome, found_by, credential, version, reason, round.started_at, given, published
FROM answer_1 JOIN round ON round.id = answer_1.round;

INSERT INTO known (body, credential, version, last_answered_at, silent_rounds)
SELECT json_object('snmp', address, 'port', port), credential, version, last_answered_at,
    silent_rounds
FROM known_1 ORDER BY target;

DROP TABLE answer_1;
DROP TABLE known_1
