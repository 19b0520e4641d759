/**
 * Sums are kept beside the receipts: the credit rule asks for them at every request. Whoever changes or relies on a
 * channel's sums holds its row in `totals`, so that two replicas never count past each other.
 */
export const LEDGER_SCHEMA = `
CREATE TABLE IF NOT EXISTS channels (
  channel text PRIMARY KEY, terms text NOT NULL, client_key bytea NOT NULL, state text NOT NULL,
  deposited numeric NOT NULL, claimed numeric NOT NULL, viewed_at bigint NOT NULL);
CREATE TABLE IF NOT EXISTS delegations (
  payment_ref bytea PRIMARY KEY, channel text NOT NULL, session_key bytea NOT NULL UNIQUE,
  spend_limit numeric NOT NULL, not_after bigint NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, root bytea NOT NULL, log_index bigint);
CREATE INDEX IF NOT EXISTS batches_unlogged ON batches (id) WHERE log_index IS NULL;
CREATE TABLE IF NOT EXISTS receipts (
  digest bytea PRIMARY KEY, channel text NOT NULL, session_key bytea NOT NULL, request_id bytea NOT NULL,
  kind integer NOT NULL, amount numeric NOT NULL, object bytea NOT NULL, signature bytea NOT NULL,
  stored_at bigint NOT NULL, payee bytea, superseded boolean NOT NULL DEFAULT false,
  batch bigint REFERENCES batches(id), place integer);
CREATE INDEX IF NOT EXISTS receipts_by_request ON receipts (session_key, request_id);
CREATE INDEX IF NOT EXISTS receipts_unbatched ON receipts (stored_at, digest) WHERE batch IS NULL;
CREATE INDEX IF NOT EXISTS receipts_by_batch ON receipts (batch, place);
CREATE TABLE IF NOT EXISTS totals (channel text PRIMARY KEY, amount numeric NOT NULL, count bigint NOT NULL);
CREATE TABLE IF NOT EXISTS key_totals (session_key bytea PRIMARY KEY, amount numeric NOT NULL);
CREATE TABLE IF NOT EXISTS reservations (
  id bytea PRIMARY KEY, channel text NOT NULL, session_key bytea NOT NULL, amount numeric NOT NULL,
  until bigint NOT NULL);
-- Null in what a replica of an earlier version set aside.
ALTER TABLE reservations ADD COLUMN IF NOT EXISTS request_id bytea;
CREATE INDEX IF NOT EXISTS reservations_by_channel ON reservations (channel);
CREATE INDEX IF NOT EXISTS reservations_by_key ON reservations (session_key);
CREATE TABLE IF NOT EXISTS vouchers (
  channel text PRIMARY KEY, cumulative numeric NOT NULL, receipts bytea NOT NULL, signature bytea NOT NULL,
  leaves integer NOT NULL);
CREATE TABLE IF NOT EXISTS voucher_leaves (
  channel text NOT NULL, place integer NOT NULL, digest bytea NOT NULL, PRIMARY KEY (channel, place),
  UNIQUE (channel, digest));
CREATE TABLE IF NOT EXISTS settled (root bytea NOT NULL, log_index bigint NOT NULL, PRIMARY KEY (root, log_index));
CREATE TABLE IF NOT EXISTS accepted (payee bytea PRIMARY KEY, amount numeric NOT NULL);
CREATE TABLE IF NOT EXISTS collected (channel text PRIMARY KEY, leaves integer NOT NULL);
CREATE TABLE IF NOT EXISTS earned (payee bytea PRIMARY KEY, amount numeric NOT NULL);
CREATE TABLE IF NOT EXISTS roots (
  root bytea PRIMARY KEY, sum numeric NOT NULL, epoch bigint NOT NULL, covers bigint NOT NULL, leaves text NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name text PRIMARY KEY, value bytea NOT NULL);

-- One round trip each for what happens at every request. Replicas of an earlier version call the one without p_request.
CREATE OR REPLACE FUNCTION reserve(
  p_id bytea, p_channel text, p_key bytea, p_request bytea, p_amount numeric, p_until bigint,
  p_most_channel numeric, p_most_key numeric, p_now bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO totals VALUES (p_channel, 0, 0) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM totals WHERE channel = p_channel FOR UPDATE;
  IF EXISTS (SELECT 1 FROM reservations WHERE id = p_id) THEN RETURN 'reserved'; END IF;
  DELETE FROM reservations WHERE channel = p_channel AND until <= p_now;
  IF EXISTS (SELECT 1 FROM reservations WHERE session_key = p_key AND request_id = p_request)
    OR EXISTS (SELECT 1 FROM receipts WHERE session_key = p_key AND request_id = p_request)
  THEN RETURN 'again'; END IF;
  IF (SELECT amount FROM totals WHERE channel = p_channel) + p_amount
     + (SELECT coalesce(sum(amount), 0) FROM reservations WHERE channel = p_channel) > p_most_channel
  THEN RETURN 'channel'; END IF;
  IF coalesce((SELECT amount FROM key_totals WHERE session_key = p_key), 0) + p_amount
     + (SELECT coalesce(sum(amount), 0) FROM reservations WHERE session_key = p_key) > p_most_key
  THEN RETURN 'key'; END IF;
  INSERT INTO reservations VALUES (p_id, p_channel, p_key, p_amount, p_until, p_request);
  RETURN 'reserved';
END $$;

CREATE OR REPLACE FUNCTION put_receipt(
  p_digest bytea, p_channel text, p_key bytea, p_request bytea, p_kind integer, p_amount numeric,
  p_object bytea, p_signature bytea, p_stored_at bigint, p_payee bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  before_digest bytea;
  before_amount numeric;
  counted numeric;
  is_payable boolean;
BEGIN
  INSERT INTO totals VALUES (p_channel, 0, 0) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM totals WHERE channel = p_channel FOR UPDATE;
  IF EXISTS (SELECT 1 FROM receipts WHERE digest = p_digest) THEN RETURN; END IF;
  SELECT digest, amount INTO before_digest, before_amount FROM receipts
    WHERE session_key = p_key AND request_id = p_request AND NOT superseded;
  SELECT coalesce(max(amount), 0) INTO counted FROM receipts
    WHERE session_key = p_key AND request_id = p_request AND payee = p_payee;
  -- takesItsPlace of src/core/ais/payable.ts
  is_payable := before_digest IS NULL OR p_amount >= before_amount;
  IF is_payable THEN
    UPDATE receipts SET superseded = true WHERE digest = before_digest;
    UPDATE totals SET amount = amount + p_amount - coalesce(before_amount, 0),
      count = count + CASE WHEN before_digest IS NULL THEN 1 ELSE 0 END WHERE channel = p_channel;
    INSERT INTO key_totals VALUES (p_key, p_amount - coalesce(before_amount, 0))
      ON CONFLICT (session_key) DO UPDATE SET amount = key_totals.amount + excluded.amount;
  END IF;
  INSERT INTO receipts VALUES (p_digest, p_channel, p_key, p_request, p_kind, p_amount, p_object, p_signature,
    p_stored_at, p_payee, NOT is_payable);
  IF p_payee IS NOT NULL AND p_amount > counted THEN
    INSERT INTO accepted VALUES (p_payee, p_amount - counted)
      ON CONFLICT (payee) DO UPDATE SET amount = accepted.amount + excluded.amount;
  END IF;
END $$;
`;
