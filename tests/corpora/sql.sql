-- Accounts and what they bought.

CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    email VARCHAR(200) NOT NULL
);

-- One purchase.
CREATE TABLE purchase (
    id BIGINT,
    account_id BIGINT REFERENCES account (id),
    total DECIMAL(10, 2)
);

CREATE INDEX purchase_account ON purchase (account_id);

CREATE VIEW big_spender AS
SELECT a.email, SUM(p.total) AS spent
FROM account a
JOIN purchase p ON p.account_id = a.id
GROUP BY a.email;

CREATE FUNCTION spent(who BIGINT) RETURNS DECIMAL AS $$
    SELECT SUM(total) FROM purchase WHERE account_id = who;
$$ LANGUAGE sql;

INSERT INTO account (id, email) VALUES (1, 'a@example.com');
