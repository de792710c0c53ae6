-- A batch asks for the stays of its devices at its site, and for the customer's serial numbers that
-- wait: each by one index, whatever is known of the tables.
drop index device_stay_device;
create index device_stay_device on device_stay (device_id, site_id);
create index device_waiting on device (customer_id) where instead_of is not null;
